/** Notifications: a channel, its test, a route, and what a receiver that is not ours gets of an alarm. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { choose, field, goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

/** A receiver of webhooks: what came, and the status that it answers with. */
class Receiver {
  messages = [];
  status = 200;
  #server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    request.on('end', () => {
      this.messages.push({ key: request.headers['idempotency-key'], ...JSON.parse(text) });
      response.writeHead(this.status).end();
    });
  });

  async open() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/alarms`;
  }

  close() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

export function notifications(scene) {
  const say = (key, values) => word('en', 'notifications', key, values);
  const receiver = new Receiver();
  before(() => receiver.open());
  after(() => receiver.close());

  test('a channel is made and tested, and says so when it is not taken', async () => {
    const { admin } = scene;
    await goTo(admin, '/notifications?tab=channels');
    await admin.getByRole('button', { name: say('channel.new'), exact: true }).click();
    const dialog = admin.getByRole('dialog');
    await field(dialog, say('channel.name')).fill('duty program');
    await choose(admin, dialog, say('channel.kind'), say('kind.webhook'));
    await field(dialog, say('field.url')).fill(receiver.url);
    await choose(admin, dialog, say('channel.language'), say('language.en'));
    await dialog.locator('button[type="submit"]').click();
    await dialog.waitFor({ state: 'hidden' });
    const row = admin.getByRole('row').filter({ hasText: 'duty program' });
    await row.getByText(new URL(receiver.url).host).waitFor();
    await row.getByRole('button', { name: say('channel.test'), exact: true }).click();
    await row.getByText(say('channel.delivered'), { exact: true }).waitFor();
    const [message] = receiver.messages;
    assert.deepEqual([message.kind, message.language, message.alarms], ['test', 'en', []]);
    assert.match(message.text, /test notification/);

    receiver.status = 410;
    await row.getByRole('button', { name: say('channel.test'), exact: true }).click();
    await row.getByText(new RegExp(`${say('channel.notDelivered')}.*410`)).waitFor();
    receiver.status = 200;
    isSound(admin);
  });

  test('a route tells of the alarms of its area, and of no others; a change of it counts at once', async () => {
    const { admin, stage } = scene;
    await goTo(admin, '/notifications?tab=routes');
    await admin.getByRole('button', { name: say('route.new'), exact: true }).click();
    let dialog = admin.getByRole('dialog');
    await field(dialog, say('route.name')).fill('what happens in the plant room');
    await choose(admin, dialog, say('route.areas'), '整层平面 / 设备间');
    await choose(admin, dialog, say('route.channels'), 'duty program');
    await dialog.locator('button[type="submit"]').click();
    await dialog.waitFor({ state: 'hidden' });
    const made = async () => (await stage.api('/notification-routes')).items[0];
    assert.equal((await made()).match.min_severity, 'major');

    await admin.getByRole('button', { name: new RegExp(say('route.edit')) }).click();
    dialog = admin.getByRole('dialog');
    await choose(admin, dialog, say('route.min_severity'), word('en', 'terms', 'severity.warning'));
    await dialog.locator('button[type="submit"]').click();
    await dialog.waitFor({ state: 'hidden' });
    await admin.getByText(say('route.from', { severity: word('en', 'terms', 'severity.warning') })).waitFor();
    assert.equal((await made()).match.min_severity, 'warning');

    // The UPS stands in the room, the gate does not.
    await until('a UPS at peace', async () => {
      return (await stage.api('/alarms?state=raised&site=demo-checkpoint')).items.length === 0;
    });
    receiver.messages.length = 0;
    await stage.say('gate set fault 1');
    await stage.say('ups set 1 holding 1 4');
    const message = await until('the alarm at the receiver', () => receiver.messages[0], 40_000);
    await stage.say('gate set fault 0');
    await stage.say('ups set 1 holding 1 2');
    assert.equal(message.kind, 'raise');
    const alarms = receiver.messages.flatMap((each) => each.alarms);
    assert.deepEqual([...new Set(alarms.map((alarm) => alarm.device_label))], ['通道不间断电源']);
    assert.ok(message.key, 'a message has a key by which a repetition is known');
    assert.match(message.subject, /通道不间断电源/);

    await goTo(admin, `/notifications?state=sent`);
    const record = admin.getByRole('grid').getByRole('row').filter({ hasText: message.subject }).first();
    await record.getByText(say('record.state.sent'), { exact: true }).waitFor();
    await record.getByText(message.subject).click();
    const told = admin.getByRole('dialog');
    await told.getByText('duty program').first().waitFor();
    const text = (await told.locator('pre').textContent()).trim();
    assert.equal(text, message.text.trim(), 'what is on record is what was delivered');
    await told.getByRole('link', { name: alarms[0].id }).click();
    await admin.getByRole('heading', { level: 1 }).waitFor();
    await admin.getByText(say('record.state.sent'), { exact: true }).first().waitFor();
    isSound(admin);
  });
}
