/** What all tests of a file share: one stage, one browser, and an administrator who is signed in. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { isLive, openBrowser, openWindow, signIn } from './browser.mjs';
import { Stage } from './stage.mjs';

/** Raises the curtain before the first test and lets it fall after the last. */
export function setUp(args) {
  const scene = { ids: {} };
  before(async () => {
    [scene.stage, scene.browser] = await Promise.all([Stage.start(args), openBrowser()]);
    const { items } = await scene.stage.api('/devices?site=demo-checkpoint&limit=50');
    for (const device of items) scene.ids[device.key] = device.id;
    scene.admin = await scene.enter('admin');
  });
  after(async () => {
    await scene.browser?.close();
    await scene.stage?.stop();
  });
  /** Somebody comes in by the form, in a window of their own. */
  scene.enter = async (name, options) => {
    const page = await openWindow(scene.browser, scene.stage, options);
    await signIn(page, scene.stage, name);
    await isLive(page);
    return page;
  };
  return scene;
}

/** Nothing went wrong inside the page. */
export function isSound(page) {
  assert.deepEqual(page.problems, []);
}

export async function goTo(page, path) {
  await page.goto(path);
  await isLive(page);
}

/** How long what changes at a device may take to be on the screen; the UPS is asked each second. */
export const CHANGE_MS = 15_000;

export async function until(what, look, ms = CHANGE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A field of a form by its label. */
export function field(within, label) {
  const options = { name: label, exact: true };
  return within.getByRole('textbox', options).or(within.getByRole('combobox', options)).first();
}

/** Chooses from a list that opens below its field. */
export async function choose(page, within, label, option) {
  await field(within, label).focus();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('option', { name: option }).first().click();
}
