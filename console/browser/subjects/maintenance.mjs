/** Windows of maintenance: once and again and again, from the form to their end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, field, goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

const SITE = 'Demonstration Checkpoint';

export function maintenance(scene) {
  const say = (key, values) => word('en', 'maintenance', key, values);
  const openForm = async () => {
    await goTo(scene.admin, '/maintenance');
    await scene.admin.getByRole('button', { name: say('new'), exact: true }).click();
    return scene.admin.getByRole('dialog');
  };
  const row = (reason) => scene.admin.getByRole('row').filter({ hasText: reason });
  const end = async (reason) => {
    await row(reason)
      .getByRole('button', { name: say('end'), exact: true })
      .click();
    const dialog = scene.admin.getByRole('dialog');
    await dialog.getByRole('button', { name: say('end'), exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    await row(reason).waitFor({ state: 'hidden' });
  };

  test('in a window alarms are kept apart; when it is ended they are on the desk again', async () => {
    const { admin, ids, stage } = scene;
    const dialog = await openForm();
    const create = dialog.getByRole('button', { name: say('form.create'), exact: true });
    await create.click();
    await dialog
      .getByRole('alert')
      .filter({ hasText: say('wrong.reason') })
      .waitFor();
    await choose(admin, dialog, say('form.site'), SITE);
    await field(dialog, say('form.reason')).fill('filters are changed');
    await create.click();
    await dialog.waitFor({ state: 'hidden' });
    await row('filters are changed').getByText(say('state.now'), { exact: true }).waitFor();
    await stage.say('ups set 1 holding 1 4');
    const alarm = async () => (await stage.api(`/alarms?device=${ids['ups-1']}&maintenance=true`)).items[0];
    await until('the alarm of the UPS', alarm);
    await goTo(admin, '/alarms?view=maintenance');
    await row('通道不间断电源').waitFor();
    await goTo(admin, '/alarms');
    await admin.getByText(word('en', 'alarms', 'empty.open')).waitFor();

    await goTo(admin, '/maintenance');
    await end('filters are changed');
    await admin.getByText(say('tab.all'), { exact: true }).click();
    await row('filters are changed').getByText(say('state.over'), { exact: true }).waitFor();
    await goTo(admin, '/alarms');
    await row('通道不间断电源').waitFor();
    await stage.say('ups set 1 holding 1 2');
    isSound(admin);
  });

  test('a window that repeats says when, on the clock of the site', async () => {
    const { admin, stage } = scene;
    const dialog = await openForm();
    await choose(admin, dialog, say('form.site'), SITE);
    await dialog.getByText(say('form.repeat'), { exact: true }).click();
    await choose(admin, dialog, say('form.every'), say('form.daily'));
    await field(dialog, say('form.reason')).fill('cleaning at night');
    await dialog.getByRole('button', { name: say('form.create'), exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });
    const times = { from: '22:00', to: '23:00' };
    await row('cleaning at night').getByText(say('repeat.daily', times)).waitFor();
    const made = (await stage.api('/maintenance')).items.find(({ reason }) => reason === 'cleaning at night');
    assert.deepEqual([made.repeat.kind, made.repeat.from, made.repeat.to], ['daily', '22:00', '23:00']);
    await end('cleaning at night');
    isSound(admin);
  });
}
