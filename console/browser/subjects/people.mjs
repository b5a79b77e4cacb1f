/** What people may not do is not offered, and refused when it is asked for all the same; and sites of others are not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goTo, isSound } from '../scene.mjs';
import { word } from '../words.mjs';

const SITE = 'demo-checkpoint';
const OTHER = 'hengqin-bridge';

/** What a page asks of the collector by itself, with the cookie and the token of whoever is signed in. */
const refused = (page, method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const { page_token } = await (await fetch('/api/v1/session')).json();
      const answer = await fetch(`/api/v1${path}`, {
        method,
        headers: { 'content-type': 'application/json', 'x-kouan-page-token': page_token },
        body: body === null ? undefined : JSON.stringify(body),
      });
      return answer.status;
    },
    [method, path, body ?? null],
  );

export function people(scene) {
  test('a viewer is offered nothing that a viewer may not do', async () => {
    const { ids, stage } = scene;
    const page = await scene.enter('viewer');
    const device = `/devices/${ids['ups-1']}`;
    const main = page.getByRole('main');
    const lacks = async (path, ready, names) => {
      await goTo(page, path);
      await ready().first().waitFor();
      for (const name of names) {
        assert.equal(await main.getByRole('button', { name, exact: true }).count(), 0, `${path}: ${name}`);
      }
    };
    const heading = () => page.getByRole('heading', { level: 1 });
    const rows = () => page.getByRole('grid').getByRole('row').nth(1);
    await lacks('/devices', rows, []);
    assert.equal(await page.getByRole('grid').getByRole('checkbox').count(), 0, 'a device can be chosen');
    await lacks(device, heading, [word('en', 'device', 'maintenance'), word('en', 'device', 'rename')]);
    await lacks(`${device}?tab=commands`, () => page.getByText(word('en', 'device', 'command.noRight')), [
      word('en', 'terms', 'action.battery_test'),
    ]);
    await lacks('/assets', rows, [word('en', 'assets', 'new'), word('en', 'assets', 'import')]);
    await lacks('/rules', () => page.getByRole('switch'), [word('en', 'rules', 'new')]);
    assert.ok(await page.getByRole('switch').first().isDisabled(), 'a rule can be switched');
    await lacks('/rules/new', () => page.getByText(word('en', 'rules', 'readOnly')), [
      word('en', 'rules', 'create'),
    ]);
    await lacks('/maintenance', heading, [word('en', 'maintenance', 'new')]);
    const navigation = page.getByRole('navigation');
    for (const [name, right] of [
      ['people', 'admin'],
      ['keys', 'admin'],
      ['audit', 'audit'],
    ]) {
      await goTo(page, `/${name}`);
      await page
        .getByText(word('en', 'common', 'noRight.text', { right: word('en', 'common', `right.${right}`) }))
        .waitFor();
      assert.equal(
        await navigation.getByRole('link', { name: word('en', 'nav', name), exact: true }).count(),
        0,
      );
    }
    const rule = (await stage.api('/alarm-rules')).items[0].id;
    for (const [method, path, body] of [
      ['POST', `${device}/commands`, { action: 'battery.test', arguments: {} }],
      ['PUT', `/alarm-rules/${rule}/enabled`, { enabled: false }],
      ['POST', '/alarms/act', { ids: ['a-1'], do: 'acknowledge' }],
      ['POST', '/users', { name: 'mallory', grants: [{ role: 'administrator' }] }],
      ['GET', '/audit'],
    ]) {
      assert.equal(await refused(page, method, path, body), 403, `${method} ${path}`);
    }
    isSound(page);
    await page.context().close();
  });

  test('an operator of one site sees that site and no other', async () => {
    const { ids, stage } = scene;
    await stage.person('tongdao', [{ role: 'operator', sites: [SITE] }]);
    const { total } = await stage.api(`/devices?site=${SITE}&limit=1`);
    const page = await scene.enter('tongdao');
    await page.getByText('Demonstration Checkpoint').first().waitFor();
    await page
      .getByRole('main')
      .getByText(new RegExp(`\\b${total}\\b`))
      .first()
      .waitFor();
    assert.equal(await page.getByText('Hengqin Bridge').count(), 0, 'another site is on the overview');
    await goTo(page, '/devices');
    await page.getByText(new RegExp(`of ${total} loaded`)).waitFor();
    await goTo(page, `/devices?site=${OTHER}`);
    await page.getByText(word('en', 'devices', 'empty')).waitFor();
    const foreign = (await stage.api(`/devices?site=${OTHER}&limit=1`)).items[0].id;
    await goTo(page, `/devices/${foreign}`);
    await page.getByText(word('en', 'common', 'problem.missingTitle')).waitFor();
    const command = { action: 'battery.test', arguments: {} };
    assert.equal(await refused(page, 'POST', `/devices/${foreign}/commands`, command), 404);
    // What an operator may do at the own site is offered, what only an engineer may is not.
    await goTo(page, `/devices/${ids['ups-1']}?tab=commands`);
    await page
      .getByRole('button', { name: word('en', 'terms', 'action.battery_test'), exact: true })
      .waitFor();
    assert.equal(
      await page.getByRole('button', { name: word('en', 'device', 'rename'), exact: true }).count(),
      0,
    );
    isSound(page);
    await page.context().close();
  });
}
