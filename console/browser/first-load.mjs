/** How long somebody who is signed in waits for the first page in a browser that has nothing of it yet. */
import { isLive, openWindow } from './browser.mjs';

const TIMES = 7;

/** The median in milliseconds, from the address to a page that is live; each time in a new profile. */
export async function firstLoad(browser, stage, cookies) {
  const taken = [];
  for (let time = 0; time < TIMES; time += 1) {
    const page = await openWindow(browser, stage);
    await page.context().addCookies(cookies);
    const started = performance.now();
    await page.goto('/');
    await Promise.all([page.getByRole('heading', { level: 1 }).waitFor(), isLive(page)]);
    taken.push(performance.now() - started);
    await page.context().close();
  }
  return taken.sort((a, b) => a - b)[(TIMES - 1) / 2];
}
