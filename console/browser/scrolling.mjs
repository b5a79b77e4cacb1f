/**
 * Opens the overview for the first time, then scrolls through the list of all devices and says what became of each frame:
 * a list of figures as JSON.
 * `node scrolling.mjs URL USER SECONDS [TRACE]`, the password in KOUAN_PASSWORD; used by `kouan-load scroll`.
 *
 * The wheel is turned by Chromium itself, so that it scrolls as it does for people: in its compositor, with the page
 * drawing new rows meanwhile. What became of frames is what the compositor reports of each (`PipelineReporter` in its
 * trace), not what the page sees of it.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { isLive, openBrowser, openWindow, signIn } from './browser.mjs';
import { firstLoad } from './first-load.mjs';
import { CATEGORIES, framesOf } from './frames.mjs';

/** Three rows in each frame. */
const SPEED = 7200;
/** Processor time, which other programs of the machine cannot lengthen as they do the time on the wall. */
const COSTS = {
  ThreadTime: 'CPU of the page, in a frame',
  ProcessTime: 'CPU of page and drawing, in a frame',
};
const [url, user, seconds, trace] = process.argv.slice(2);
const stage = { url };
const browser = await openBrowser();
try {
  const page = await openWindow(browser, stage);
  await signIn(page, stage, user, process.env.KOUAN_PASSWORD);
  await isLive(page);
  const usable = await firstLoad(browser, stage, await page.context().cookies());
  await page.goto('/devices');
  await isLive(page);
  const grid = page.getByRole('grid');
  await grid.getByRole('row').nth(20).waitFor();
  const box = await grid.boundingBox();
  const session = await page.context().newCDPSession(page);
  const scroll = (distance) =>
    session.send('Input.synthesizeScrollGesture', {
      x: box.x + box.width / 2,
      y: box.y + box.height / 2,
      yDistance: -distance,
      speed: SPEED,
      gestureSourceType: 'mouse',
    });
  // What is compiled and fetched at first is not what scrolling costs.
  await scroll(SPEED);
  await page.evaluate(watchRows);
  await session.send('Performance.enable');
  await browser.startTracing(page, { categories: CATEGORIES });
  const from = await grid.evaluate((list) => list.scrollTop);
  const before = await costs(session);
  const started = Date.now();
  await scroll(SPEED * Number(seconds));
  const took = (Date.now() - started) / 1000;
  const after = await costs(session);
  const to = await grid.evaluate((list) => list.scrollTop);
  const events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
  if (trace) writeFileSync(trace, JSON.stringify({ traceEvents: events }));
  const { frames, empty } = await page.evaluate(() => globalThis.rowsSeen);
  const figures = [
    { what: 'first load, usable after', value: usable, unit: 'ms' },
    { what: 'scrolled', value: (to - from) / took, unit: 'px/s' },
    { what: 'programs that want the processors', value: loadavg()[0], unit: '' },
    ...framesOf(events),
    ...Object.keys(COSTS).map((name) => ({
      what: COSTS[name],
      value: ((after[name] - before[name]) * 1000) / Math.max(1, frames),
      unit: 'ms',
    })),
    { what: 'share of frames with a row missing in sight', value: empty / Math.max(1, frames), unit: '' },
  ];
  process.stdout.write(JSON.stringify(figures));
} finally {
  await browser.close();
}

/** Seconds of processor so far. */
async function costs(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

/** Looks in every frame whether the rows that are drawn cover what is in sight. */
function watchRows() {
  const list = document.querySelector('[role="grid"]');
  const seen = { frames: 0, empty: 0 };
  const [height, sight] = [list.querySelector('[role="row"][data-index]').offsetHeight, list.clientHeight];
  globalThis.rowsSeen = seen;
  const look = () => {
    const rows = list.querySelectorAll('[role="row"][data-index]');
    const places = [...rows].map((row) => Number(row.dataset.index));
    const [first, last] = [Math.min(...places) * height, (Math.max(...places) + 1) * height];
    const bottom = Math.min(list.scrollTop + sight, list.scrollHeight) - 76;
    seen.frames += 1;
    if (rows.length === 0 || first > list.scrollTop || last < bottom) seen.empty += 1;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
