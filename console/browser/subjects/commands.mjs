/** Commands: every outcome as people see it, and what the device did, which is asked of the device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANGE_MS, goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

/** The relay board's number on its line. */
const UNIT = 2;

export function commands(scene) {
  const say = (key, values) => word('en', 'device', key, values);
  const action = word('en', 'terms', 'action.relay_set');

  /** How often the board was told to move a relay; relays count from 1, coils from 0. */
  const moves = async (relay) => {
    const { state } = await scene.stage.say('cabinet show');
    return state.units.find(({ unit }) => unit === UNIT).coil_writes[String(relay - 1)] ?? 0;
  };
  const path = () => `/devices/${scene.ids['relay-1']}?tab=commands`;
  /** Asks for it by the form; the dialog that follows it. */
  const send = async (relay) => {
    const { admin } = scene;
    await goTo(admin, path());
    await admin.getByRole('button', { name: action, exact: true }).click();
    const dialog = admin.getByRole('dialog');
    await dialog.locator('input[inputmode="decimal"]').first().fill(String(relay));
    await dialog
      .locator('label', { hasText: say('argument.on') })
      .first()
      .click();
    await dialog.locator('button[type="submit"]').click();
    return dialog;
  };
  const shows = (within, state) =>
    within
      .getByText(say(`command.state.${state}`), { exact: true })
      .first()
      .waitFor({ timeout: CHANGE_MS });
  /** Asks for it as a program would, with a life of its own. */
  const ask = async (relay, life_ms) => {
    const body = { action: 'relay.set', arguments: { channel: relay, on: true }, why: 'a test', life_ms };
    return (await scene.stage.api(`/devices/${scene.ids['relay-1']}/commands`, 'POST', body)).id;
  };

  test('a command that is done moved the relay once', async () => {
    assert.equal(await moves(3), 0);
    const dialog = await send(3);
    await shows(dialog, 'succeeded');
    assert.equal(await moves(3), 1);
    isSound(scene.admin);
  });

  test('a command that the device refuses has failed', async () => {
    await scene.stage.say(`cabinet exception ${UNIT} 4`);
    const dialog = await send(4);
    await shows(dialog, 'failed');
    await scene.stage.say(`cabinet exception ${UNIT} off`);
    assert.equal(await moves(4), 0);
    isSound(scene.admin);
  });

  test('a command without an answer is not known, and is not repeated', async () => {
    const { admin, stage } = scene;
    await stage.say(`cabinet silent ${UNIT} on`);
    const dialog = await send(5);
    await shows(dialog, 'unknown');
    await dialog
      .getByRole('alert')
      .filter({ hasText: say('command.unknownTitle') })
      .waitFor();
    await stage.say(`cabinet silent ${UNIT} off`);
    await until('the board answering again', async () => {
      return (await stage.api(`/devices/${scene.ids['relay-1']}`)).health.level === 'working';
    });
    assert.equal(await moves(5), 1, 'the relay was moved, and once');
    isSound(admin);
  });

  test('commands of an agent that is away: cancelled, expired, refused for a device that moved, held after a restore', async () => {
    const { admin, ids, stage } = scene;
    await stage.say('agent stop');
    const dialog = await send(6);
    await shows(dialog, 'queued');
    await dialog.getByRole('button', { name: say('command.cancel'), exact: true }).click();
    const asked = admin.getByRole('dialog').filter({ hasText: say('command.cancelTitle') });
    await asked.locator('button[type="submit"]').click();
    await dialog
      .getByText(/cancelled/i)
      .first()
      .waitFor();

    const expiring = await ask(6, 1_000);
    await goTo(admin, `${path()}&command=${expiring}`);
    await shows(admin.getByRole('dialog'), 'expired');

    const [released, cancelled] = [await ask(7, 600_000), await ask(8, 600_000)];
    await stage.say('collector back-up');
    await stage.api('/agents', 'POST', { agent: 'checkpoint-2', site: 'demo-checkpoint' });
    await stage.api(`/devices/${ids['relay-1']}/binding`, 'POST', { agent: 'checkpoint-2', key: 'relay-1' });
    await goTo(admin, `${path()}&command=${released}`);
    await shows(admin.getByRole('dialog'), 'rejected');

    // The backup knows nothing of the move, and nobody knows what happened since: a person decides.
    await stage.say('collector restore');
    const decide = async (id, deed) => {
      await goTo(admin, `${path()}&command=${id}`);
      const detail = admin.getByRole('dialog').filter({ hasText: say('command.detail') });
      await shows(detail, 'held');
      await detail.getByRole('button', { name: say(`command.${deed}`), exact: true }).click();
      const question = admin.getByRole('dialog').filter({ hasText: say(`command.${deed}Title`) });
      await question.locator('textarea').fill('looked at the gate');
      await question.locator('button[type="submit"]').click();
      await question.waitFor({ state: 'hidden' });
      return detail;
    };
    const gone = await decide(cancelled, 'cancel');
    await gone
      .getByText(/cancelled/i)
      .first()
      .waitFor();
    const detail = await decide(released, 'release');
    await stage.say('agent start');
    await shows(detail, 'succeeded');
    assert.deepEqual(await Promise.all([6, 7, 8].map(moves)), [0, 1, 0]);
    isSound(admin);
  });
}
