/** Many at once: devices and alarms that are chosen together, and lists whose address is shared. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

export function devices(scene) {
  const say = (key, values) => word('en', 'devices', key, values);
  const open = async (more = '') =>
    (await scene.stage.api(`/alarms?state=raised&site=demo-checkpoint${more}`)).items;

  test('open alarms of chosen devices are shelved together', async () => {
    const { admin, stage } = scene;
    await stage.say('ups set 1 holding 1 4');
    await stage.say('kiosk set paper out');
    const labels = ['通道不间断电源', '自助填报机一'];
    await until('two alarms', async () => {
      const found = new Set((await open()).map((alarm) => alarm.device_label));
      return labels.every((label) => found.has(label));
    });
    await goTo(admin, '/devices?sort=label');
    const grid = admin.getByRole('grid');
    for (const label of labels) {
      await grid.getByRole('row').filter({ hasText: label }).getByRole('checkbox').check();
    }
    const bar = admin.getByRole('toolbar', { name: say('bulk.label') });
    await bar.getByText(say('bulk.chosen', { count: 2 })).waitFor();
    await bar.getByRole('button', { name: say('bulk.shelve'), exact: true }).click();
    const dialog = admin.getByRole('dialog');
    await dialog.locator('textarea').fill('parts are on their way');
    await dialog.locator('button[type="submit"]').click();
    await admin.getByText(say('bulk.done_other', { count: 2 })).waitFor();
    const shelved = (await open('&shelved=true')).map((alarm) => [alarm.device_label, alarm.shelve_reason]);
    for (const label of labels) {
      assert.ok(
        shelved.some((each) => each[0] === label && each[1] === 'parts are on their way'),
        `${shelved}`,
      );
    }
    await goTo(admin, '/alarms?view=shelved');
    for (const label of labels) await grid.getByText(label).first().waitFor();
    isSound(admin);
  });

  test('alarms are taken off the shelf, acknowledged and closed together at the desk', async () => {
    const { admin, stage } = scene;
    const shelved = await open('&shelved=true');
    await goTo(admin, '/alarms?view=shelved');
    const grid = admin.getByRole('grid');
    await grid.getByRole('row').nth(shelved.length).waitFor();
    await admin.keyboard.press('Shift+X');
    const act = async (deed) => {
      await admin.getByRole('button', { name: word('en', 'alarms', `act.${deed}`), exact: true }).click();
      const dialog = admin.getByRole('dialog');
      const done = admin.getByText(/^Done: \d+$/);
      await dialog.or(done).first().waitFor();
      if (await dialog.isVisible()) await dialog.locator('button[type="submit"]').click();
      await dialog.waitFor({ state: 'hidden' });
    };
    await act('unshelve');
    await until('an empty shelf', async () => (await open('&shelved=true')).length === 0);
    await goTo(admin, '/alarms?site=demo-checkpoint');
    await grid.getByRole('row').nth(shelved.length).waitFor();
    await admin.keyboard.press('Shift+X');
    await act('acknowledge');
    await until('all of them acknowledged', async () => {
      return (await open()).every((alarm) => alarm.acknowledged_by);
    });
    await stage.say('ups set 1 holding 1 2');
    await stage.say('kiosk set paper ok');
    isSound(admin);
  });

  test('an address that is shared shows the same list to somebody else', async () => {
    const { admin } = scene;
    const labels = (page) => page.getByRole('grid').getByRole('row').locator('a').allTextContents();
    await goTo(admin, '/devices');
    await admin
      .getByRole('columnheader', { name: say('name') })
      .getByRole('button')
      .click();
    await admin.getByRole('button', { name: new RegExp(word('en', 'terms', 'health.working')) }).click();
    await until(
      'an address with all of it',
      () => /sort=label/.test(admin.url()) && /health=/.test(admin.url()),
    );
    const wanted = await labels(admin);
    const other = await scene.enter('viewer', { language: 'zh' });
    await goTo(other, new URL(admin.url()).pathname + new URL(admin.url()).search);
    await until('the same list', async () => `${await labels(other)}` === `${await labels(admin)}`);
    assert.ok(wanted.length > 0);
    isSound(other);
    await other.context().close();
  });

  test('devices of one area', async () => {
    const { admin, stage } = scene;
    const { items } = await stage.api('/devices?limit=100');
    const area = '整层平面 / 设备间';
    const inside = items.filter((device) => device.area === area).map(({ label }) => label);
    assert.ok(inside.length > 0 && inside.length < items.length);
    await goTo(admin, `/devices?area=${encodeURIComponent(area)}`);
    const rows = admin.getByRole('grid').getByRole('row');
    await until('its devices alone', async () => {
      const shown = await rows.locator('a').allTextContents();
      return `${shown.sort()}` === `${inside.sort()}`;
    });
    isSound(admin);
  });
}
