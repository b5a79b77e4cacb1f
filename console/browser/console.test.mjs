/**
 * The console in a real browser, at a real collector with the simulated checkpoint and 1,434 devices beside it.
 *
 * Nothing sleeps here: every step waits until what it is about is on the screen.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { isLive, openWindow, signIn } from './browser.mjs';
import { CHANGE_MS, goTo, isSound, setUp, until } from './scene.mjs';
import { people } from './subjects/people.mjs';
import { word } from './words.mjs';

const FLEET = new URL('../../load/data/fleet.csv', import.meta.url);

const scene = setUp(['--fleet', '--sound']);
describe('a fleet', () => {
  let stage;
  let browser;
  let admin;
  const { ids } = scene;

  before(() => {
    ({ stage, browser, admin } = scene);
  });

  test('a first password is replaced before anything else', async () => {
    const { name, password } = await stage.say('first lihua operator');
    const page = await openWindow(browser, stage);
    await signIn(page, stage, name, 'not-the-password');
    await page.getByRole('alert').waitFor();
    await signIn(page, stage, name, password);
    await page.getByRole('heading', { name: word('en', 'sign-in', 'firstTitle') }).waitFor();
    const fields = page.locator('input[type="password"]');
    await fields.nth(0).fill(password);
    await fields.nth(1).fill('seven grey cranes');
    await fields.nth(2).fill('seven grey cranes');
    await page.getByRole('button', { name: word('en', 'sign-in', 'change') }).click();
    await isLive(page);
    await page.getByRole('heading', { level: 1 }).waitFor();
    isSound(page);
    await page.context().close();
  });

  test('a device fails and recovers while somebody looks', async () => {
    await goTo(admin, `/devices/${ids['ups-1']}`);
    const head = admin.locator('header', { has: admin.getByRole('heading', { level: 1 }) });
    const shows = (level) =>
      head.getByText(word('en', 'terms', `health.${level}`), { exact: true }).waitFor({ timeout: CHANGE_MS });
    await shows('working');
    await stage.say('kill ups');
    await shows('unreachable');
    await stage.say('start ups');
    await shows('working');
    isSound(admin);
  });

  test('more than 1,434 devices are one list that can be searched', async () => {
    const { total } = await stage.api('/devices?limit=1');
    assert.ok(total >= stage.devices);
    await goTo(admin, '/devices');
    const grid = admin.getByRole('grid');
    const all = word('en', 'common', 'table.of', { count: '#', total });
    const foot = admin.getByText(all.slice(all.indexOf('#') + 1));
    const loaded = async () => Number.parseInt(await foot.textContent(), 10);
    const first = await loaded();
    assert.ok(first > 0 && first < total, `${first} rows came at once`);
    assert.ok((await grid.getByRole('row').count()) < 120, 'only rows in sight are drawn');
    await grid.focus();
    await admin.keyboard.press('End');
    await until('more rows', async () => (await loaded()) > first);
    await admin.locator('input[type="search"]').first().fill('通道不间断电源');
    await admin.getByText(word('en', 'common', 'table.of', { count: 1, total: 1 })).waitFor();
    await grid.getByText('通道不间断电源').waitFor();
    isSound(admin);
  });

  test('an alarm is acknowledged and shelved by keyboard', async () => {
    await stage.say('ups set 1 holding 1 4');
    await goTo(admin, '/alarms?site=demo-checkpoint');
    const desk = admin.getByRole('grid');
    await desk.getByText('通道不间断电源').first().waitFor({ timeout: CHANGE_MS });
    await admin.keyboard.press('j');
    await admin.keyboard.press('a');
    const open = async () =>
      (await stage.api(`/alarms?site=demo-checkpoint&device=${ids['ups-1']}`)).items[0];
    await until('the alarm acknowledged', async () => (await open())?.acknowledged_by);
    await admin.keyboard.press('s');
    const dialog = admin.getByRole('dialog');
    await dialog.locator('textarea').fill('spare part ordered');
    await dialog
      .getByRole('button', { name: word('en', 'alarms', 'ask.confirm') })
      .or(dialog.locator('button[type="submit"]'))
      .first()
      .click();
    await dialog.waitFor({ state: 'hidden' });
    await goTo(admin, '/alarms?site=demo-checkpoint&view=shelved');
    await desk.getByText('通道不间断电源').first().waitFor();
    await desk
      .getByText(/spare part ordered|shelved until/)
      .first()
      .waitFor();
    await stage.say('ups set 1 holding 1 2');
    isSound(admin);
  });

  test('assets are imported: errors by row, a preview, and exactly that', async () => {
    await goTo(admin, '/assets/import?site=demo-checkpoint');
    const choose = (name, text) =>
      admin
        .locator('input[type="file"]')
        .setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });
    const preview = admin.getByRole('table', { name: word('en', 'assets', 'preview') });
    await choose(
      '资产.csv',
      '名称,类别,区域,序列号,质保到期\n一号交换机,交换机,设备间,SN-1,2027-05-01\n二号交换机,不存在的类别,设备间,SN-2,\n',
    );
    await admin
      .getByText('不存在的类别')
      .or(admin.getByText(/no class/))
      .first()
      .waitFor();
    await choose(
      '资产.csv',
      '名称,类别,区域,序列号,质保到期\n一号交换机,交换机,设备间,SN-1,2027-05-01\n二号交换机,交换机,设备间,SN-2,\n',
    );
    await admin.getByText(word('en', 'assets', 'creates', { count: 2 })).waitFor();
    await admin.getByRole('button', { name: word('en', 'assets', 'apply', { count: 2 }) }).click();
    await admin.getByText(word('en', 'assets', 'done', { count: 2 })).waitFor();
    await goTo(admin, '/assets?site=demo-checkpoint&q=SN-2');
    await admin.getByRole('grid').getByText('二号交换机').waitFor();
    // The list of five real projects, as it is.
    await goTo(admin, '/assets/import');
    await choose('fleet.csv', readFileSync(FLEET, 'utf8'));
    await preview.waitFor();
    await admin.getByText(word('en', 'assets', 'errors', { count: 0 })).waitFor();
    isSound(admin);
  });

  test('a command is sent, and its outcome is shown', async () => {
    await goTo(admin, `/devices/${ids['relay-1']}?tab=commands`);
    const action = admin.getByRole('button', { name: /relay|继电器/i }).first();
    await action.click();
    const dialog = admin.getByRole('dialog');
    await dialog.locator('input[inputmode="decimal"]').first().fill('5');
    await dialog
      .locator('label', { hasText: word('en', 'device', 'argument.on') })
      .first()
      .click();
    await dialog.locator('button[type="submit"]').click();
    const outcome = word('en', 'device', 'command.state.succeeded');
    await dialog.getByText(outcome, { exact: true }).first().waitFor({ timeout: CHANGE_MS });
    const { items } = await stage.api(`/commands?device=${ids['relay-1']}&limit=1`);
    assert.equal(items[0].state, 'succeeded');
    assert.equal(items[0].requested_by, 'admin');
    isSound(admin);
  });

  test('the language changes at once, and stays', async () => {
    const page = await openWindow(browser, stage, { language: 'en' });
    await signIn(page, stage, 'viewer');
    await isLive(page);
    await page.getByRole('link', { name: word('en', 'nav', 'devices'), exact: true }).waitFor();
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('link', { name: word('zh', 'nav', 'devices'), exact: true }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
    await page.reload();
    await page.getByRole('link', { name: word('zh', 'nav', 'devices'), exact: true }).waitFor();
    isSound(page);
    await page.context().close();
  });

  test('every page fits a phone', async () => {
    const page = await openWindow(browser, stage, { width: 390, height: 844, language: 'zh' });
    await signIn(page, stage);
    await isLive(page);
    const pages = [
      '/',
      '/devices',
      `/devices/${ids['ups-1']}`,
      '/alarms',
      '/map',
      '/plans',
      '/topology',
      '/assets',
      '/wall',
    ];
    for (const path of pages) {
      await page.goto(path);
      const heading = page.getByRole('heading', { level: 1 }).first();
      await heading.waitFor().catch(async (error) => {
        throw new Error(`${path} shows: ${await page.locator('body').textContent()} (${page.problems})`, {
          cause: error,
        });
      });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 390, `${path} is ${width} px wide`);
    }
    isSound(page);
    await page.context().close();
  });

  test('topology, map and plan show the fleet', async () => {
    await goTo(admin, '/topology?site=doumen-hall');
    await admin
      .getByRole('button', { name: new RegExp(word('en', 'terms', 'health.working')) })
      .first()
      .waitFor();
    await goTo(admin, '/map');
    await admin
      .getByRole('button', { name: /Hengqin Bridge/ })
      .first()
      .waitFor();
    isSound(admin);
  });

  test('the wall-board is dark, tells the truth, and says loudly when it knows nothing', async () => {
    const page = await openWindow(browser, stage, { width: 1920, height: 1080 });
    await signIn(page, stage, 'viewer');
    await isLive(page);
    await page.goto('/wall?every=5&views=totals,sites');
    await page.locator('main[data-view="totals"] strong', { hasText: /\d{4}/ }).first().waitFor();
    assert.equal(await page.locator('html').getAttribute('data-mantine-color-scheme'), 'dark');
    const size = await page
      .locator('main')
      .evaluate((main) => Number.parseFloat(getComputedStyle(main).fontSize));
    assert.ok(size >= 38, `text of ${size} px cannot be read from five metres`);
    await page.locator('main[data-view="sites"]').waitFor({ timeout: 8_000 });
    await stage.say('collector kill');
    await page
      .getByRole('alert')
      .filter({ hasText: word('en', 'wall', 'down') })
      .waitFor({ timeout: 20_000 });
    await stage.say('collector start');
    await page.getByRole('alert').waitFor({ state: 'hidden', timeout: 20_000 });
    await page.locator('main:not([data-old])').waitFor();
    isSound(page);
    await page.context().close();
  });
});

describe('people', () => people(scene));
