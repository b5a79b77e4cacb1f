/**
 * A page with the topology of a site, that says when each device was drawn anew: one line of JSON for each.
 * `node on-screen.mjs URL USER SITE`, the password in KOUAN_PASSWORD; used by `kouan-load screens`.
 */
import { isLive, openBrowser, openWindow, signIn } from './browser.mjs';
import { word } from './words.mjs';

const [url, user, site] = process.argv.slice(2);
const levels = Object.fromEntries(
  ['working', 'unreachable'].map((level) => [word('en', 'terms', `health.${level}`), level]),
);
const browser = await openBrowser();
process.stdin.on('end', () => browser.close().then(() => process.exit(0))).resume();
const page = await openWindow(browser, { url });
await signIn(page, { url }, user, process.env.KOUAN_PASSWORD);
await isLive(page);
await page.goto(`/topology?site=${site}`);
await isLive(page);
await page.locator('svg [aria-label]').nth(20).waitFor();
await page.exposeFunction('drawn', (label, level, at) => {
  process.stdout.write(`${JSON.stringify({ label, level, at })}\n`);
});
await page.evaluate((known) => {
  const observer = new MutationObserver((changes) => {
    const texts = changes.map(({ target }) => target.getAttribute('aria-label') ?? '');
    // After the next frame the change is on the screen, and not only in the document.
    requestAnimationFrame(() =>
      setTimeout(() => {
        const at = Date.now();
        for (const text of texts) {
          const comma = text.lastIndexOf(', ');
          const level = known[text.slice(comma + 2)];
          if (level) globalThis.drawn(text.slice(0, comma), level, at);
        }
      }),
    );
  });
  observer.observe(document.body, { subtree: true, attributes: true, attributeFilter: ['aria-label'] });
}, levels);
process.stdout.write('ready\n');
