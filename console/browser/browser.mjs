/** Debian's chromium, and people in it. */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function openBrowser() {
  const path = process.env.KOUAN_CHROMIUM ?? PATHS.find((each) => existsSync(each));
  if (!path) throw new Error('chromium is not installed; run `make test-setup`');
  // Root in a container has no user namespaces to make a sandbox of.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-color-profile=srgb'];
  return chromium.launch({ executablePath: path, args });
}

/** A window of its own, with nothing kept from others. What goes wrong in the page is collected in `problems`. */
export async function openWindow(
  browser,
  stage,
  { width = 1440, height = 900, language = 'en', scheme = 'light' } = {},
) {
  const context = await browser.newContext({
    baseURL: stage.url,
    viewport: { width, height },
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(`${error}`));
  page.on('console', (message) => {
    // A refused request is an answer that the page shows; an error of the page itself is not.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      page.problems.push(message.text());
    }
  });
  return page;
}

/** Signs in by the form. */
export async function signIn(page, stage, name = 'admin', password = stage.password) {
  await page.goto('/');
  await page.locator('input[autocomplete="username"]').fill(name);
  await page.locator('input[type="password"]').fill(password);
  await page.locator('button[type="submit"]').click();
}

/** Waits until what the page shows is live. */
export async function isLive(page) {
  await page.locator('[role="status"][data-state="live"]').waitFor();
}
