/** What pages show when there is nothing, when it is old, when it is broken, and when somebody is no longer signed in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLive, openWindow, signIn } from '../browser.mjs';
import { goTo, isSound, until } from '../scene.mjs';
import { word } from '../words.mjs';

export function states(scene) {
  const say = (key, values) => word('en', 'common', key, values);

  test('when the stream is down everything is marked as old, and live again when it is back', async () => {
    const page = await scene.enter('viewer');
    await goTo(page, '/devices');
    const rows = page.getByRole('grid').getByRole('row');
    await rows.nth(1).waitFor();
    const badges = async (old) =>
      rows.locator(`[data-tone]${old ? '[data-old]' : ':not([data-old])'}`).count();
    assert.equal(await badges(true), 0);
    const all = await badges(false);
    assert.ok(all > 0, 'there is no badge');
    await scene.stage.say('collector kill');
    await page
      .getByRole('alert')
      .filter({ hasText: say('stream.banner') })
      .waitFor({ timeout: 20_000 });
    assert.equal(await page.getByRole('status').first().getAttribute('data-state'), 'stale');
    await until('every badge old', async () => (await badges(true)) >= all && (await badges(false)) === 0);
    assert.ok(await page.locator('[data-old]').first().isVisible());
    await scene.stage.say('collector start');
    await page.locator('[role="status"][data-state="live"]').waitFor({ timeout: 20_000 });
    await page.getByRole('alert').waitFor({ state: 'hidden' });
    await until('no badge old', async () => (await badges(true)) === 0);
    await page.context().close();
  });

  test('a list that the collector cannot give says so, and comes when it is asked again', async () => {
    const { admin } = scene;
    const broken = '**/api/v1/devices?*';
    await admin.route(broken, (route) =>
      route.fulfill({
        status: 500,
        contentType: 'application/problem+json',
        body: JSON.stringify({ type: 'urn:kouan:problem:internal', title: 'x', status: 500, detail: '' }),
      }),
    );
    await goTo(admin, '/devices');
    const alert = admin.getByRole('alert').filter({ hasText: say('problem.title') });
    await alert.getByText(say('problem.internal')).waitFor({ timeout: 30_000 });
    await admin.unroute(broken);
    await admin.route(broken, (route) => route.abort());
    await alert.getByRole('button', { name: say('retry') }).click();
    await alert.getByText(say('problem.unreachable')).waitFor({ timeout: 30_000 });
    await admin.unroute(broken);
    await alert.getByRole('button', { name: say('retry') }).click();
    await admin.getByRole('grid').getByRole('row').nth(1).waitFor();
    isSound(admin);
  });

  test('where there is nothing, it says why', async () => {
    const { admin } = scene;
    await goTo(admin, '/devices?q=nothing-is-called-so');
    await admin.getByText(word('en', 'devices', 'empty')).waitFor();
    await goTo(admin, '/alarms?view=maintenance');
    await admin.getByText(word('en', 'alarms', 'empty.maintenance')).waitFor();
    await goTo(admin, '/devices/d-nothing');
    await admin.getByText(say('problem.missingTitle')).waitFor();
    await goTo(admin, '/nowhere');
    await admin.getByText(say('notFound.title')).waitFor();
    isSound(admin);
  });

  test('whoever is signed out elsewhere is told, and comes back to the same page', async () => {
    const { browser, stage } = scene;
    const { id } = await stage.person('shao', [{ role: 'operator' }]);
    const page = await openWindow(browser, stage);
    await signIn(page, stage, 'shao');
    await isLive(page);
    await goTo(page, '/reports?tab=alarms');
    await page.getByRole('heading', { level: 1 }).waitFor();
    await stage.api(`/users/${id}`, 'PATCH', { disabled: true });
    // An open stream looks every half minute whether the person may still see it.
    await page.getByText(word('en', 'sign-in', 'ended')).waitFor({ timeout: 45_000 });
    assert.equal(await page.getByRole('heading', { name: word('en', 'reports', 'title') }).count(), 0);
    const sign = async () => {
      await page.locator('input[autocomplete="username"]').fill('shao');
      await page.locator('input[type="password"]').fill(stage.password);
      await page.locator('button[type="submit"]').click();
    };
    await sign();
    await page
      .getByRole('alert')
      .filter({ hasText: say('problem.wrong-password') })
      .waitFor();
    await stage.api(`/users/${id}`, 'PATCH', { disabled: false });
    await sign();
    await page.getByRole('heading', { level: 1, name: word('en', 'reports', 'title') }).waitFor();
    assert.match(page.url(), /tab=alarms/);

    await page.getByRole('button', { name: say('user.menu') }).click();
    await page.getByRole('menuitem', { name: say('user.signOut') }).click();
    await page.locator('input[type="password"]').waitFor();
    assert.equal(await page.getByText(word('en', 'sign-in', 'ended')).count(), 0, 'it was ended on purpose');
    await page.context().close();
  });
}
