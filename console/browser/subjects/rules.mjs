/** Rules of alarms: written, checked, tried, in force, and out of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANGE_MS, goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

const NAME = 'Battery is charged';
/** A rule that the simulated UPS meets from its first reading on. */
const rule = (severity, above) => `id = "battery-charged"
severity = "${severity}"
name = { zh = "电池已充电", en = "${NAME}" }
text = { zh = "{device} 已充电 {value} {unit}", en = "{device} is charged: {value} {unit}" }
raise_after = "1s"
clear_after = "1s"

[match]
classes = ["ups"]

[when]
point = "battery.charge"
above = ${above}
`;

export function rules(scene) {
  const say = (key, values) => word('en', 'rules', key, values);

  test('a rule with a mistake says in which line, is tried over history, and raises once it is in force', async () => {
    const { admin, stage } = scene;
    await goTo(admin, '/rules/new');
    const text = admin.getByRole('textbox', { name: say('editor') });
    const create = admin.getByRole('button', { name: say('create'), exact: true });
    await text.fill(rule('terrible', 5));
    const problem = admin.getByRole('button', { name: new RegExp(say('line', { line: 2 })) });
    await problem.click();
    const [from, line] = await text.evaluate((area) => [
      area.selectionStart,
      area.value.slice(area.selectionStart, area.selectionEnd),
    ]);
    assert.ok(from > 0 && line === 'severity = "terrible"', `the problem leads to "${line}"`);
    assert.ok(await create.isDisabled(), 'a rule with a mistake can be saved');

    await text.fill(rule('warning', 5));
    await admin.getByText(say('fine')).waitFor();
    await admin.getByRole('button', { name: say('tryRun'), exact: true }).click();
    const values = { range: say('tryRange.7d'), count: 1, devices: 1 };
    await admin.getByText(say('tryResult', values)).waitFor();
    assert.equal((await stage.api('/alarms?rule=battery-charged')).items.length, 0, 'a trial raises nothing');

    await create.click();
    await admin.getByRole('heading', { level: 1, name: NAME }).waitFor();
    const open = async () => (await stage.api('/alarms?rule=battery-charged')).items;
    const [alarm] = await until('the alarm of the rule', async () => {
      const found = await open();
      return found.length > 0 && found;
    });
    assert.match(alarm.text.en, /is charged: \d/);

    // Changed so that it holds no longer.
    await text.fill(rule('warning', 1000));
    await admin.getByRole('button', { name: say('save'), exact: true }).click();
    await admin.getByText(say('revisionOf', { revision: 2 }), { exact: true }).waitFor();
    await until('the alarm gone', async () => (await open()).every((each) => each.state !== 'raised'));
    isSound(admin);
  });

  test('a rule that somebody else changed meanwhile is not overwritten', async () => {
    const { admin, stage } = scene;
    await goTo(admin, '/rules/battery-charged');
    const text = admin.getByRole('textbox', { name: say('editor') });
    await text.fill(rule('info', 900));
    await admin.getByText(say('fine')).waitFor();
    await stage.api('/alarm-rules/battery-charged', 'PUT', { toml: rule('major', 800) });
    await admin.getByRole('button', { name: say('save'), exact: true }).click();
    await admin
      .getByRole('alert')
      .filter({ hasText: say('conflict') })
      .waitFor();
    await admin.getByRole('button', { name: say('reload') }).click();
    await admin.getByText(say('revisionOf', { revision: 3 }), { exact: true }).waitFor();
    assert.match(await text.inputValue(), /above = 800/);

    await admin.getByRole('button', { name: say('delete'), exact: true }).click();
    const dialog = admin.getByRole('dialog');
    await dialog.getByRole('button', { name: say('delete'), exact: true }).click();
    await until('the rule gone', async () => {
      const { items } = await stage.api('/alarm-rules');
      return items.every(({ id }) => id !== 'battery-charged');
    });
    // What cleared before anybody saw it waits for somebody.
    const left = (await stage.api('/alarms?rule=battery-charged')).items.map(({ id }) => id);
    await stage.api('/alarms/act', 'POST', { ids: left, do: 'close' });
    isSound(admin);
  });

  test('a shipped rule is switched off and on by keyboard', async () => {
    const { admin, stage } = scene;
    const shipped = (await stage.api('/alarm-rules')).items.find(({ enabled }) => enabled);
    const isEnabled = async () => (await stage.api(`/alarm-rules/${shipped.id}`)).enabled;
    await goTo(admin, `/rules?q=${shipped.id}`);
    for (const [deed, wanted] of [
      ['disable', false],
      ['enable', true],
    ]) {
      const control = admin.getByRole('switch', { name: `${say(deed)}: ${shipped.name.en}` });
      await control.waitFor({ timeout: CHANGE_MS });
      await until('the switch', () => control.isEnabled());
      await control.press('Space');
      await until(`${shipped.id} to ${deed}`, async () => (await isEnabled()) === wanted);
    }
    isSound(admin);
  });
}
