/**
 * A picture of every page in both languages, on a desk, and of some on a phone, in `docs/screenshots`.
 *
 * The pages are those of `src/app/pages.ts`; one that nobody gave an address here makes this fail.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { isLive, openBrowser, openWindow, signIn } from './browser.mjs';
import { Stage } from './stage.mjs';

const OUT = new URL('../../docs/screenshots/', import.meta.url);
/** History that the charts have to show. */
const PAST_S = '1800';
const QUALITY = 0.82;
const ON_PHONE = ['overview', 'devices', 'device', 'alarms', 'map', 'assets'];
/** Pages that are not about one thing, or whose address says which. */
const SITE = 'hengqin-bridge';

/** A plan of a hall, drawn for the pictures. */
const PLAN = `<svg xmlns="http://www.w3.org/2000/svg" width="1400" height="800"><rect width="1400" height="800" fill="#fff"/>
<g fill="none" stroke="#44606e" stroke-width="7"><path d="M40 40h1320v720H40z"/><path d="M40 560h900m120 0h300M420 560v200m420-200v200"/></g>
<g fill="#eef3f5">${Array.from({ length: 14 }, (_, at) => `<rect x="${110 + at * 88}" y="180" width="26" height="220"/>`).join('')}</g></svg>`;

/** What somebody saw at a gate, drawn for the pictures. */
const SEEN = `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="800"><rect width="1200" height="800" fill="#c9d3d8"/>
<path d="M0 560h1200v240H0z" fill="#8d9aa1"/><g fill="#3e4f59"><rect x="180" y="250" width="150" height="360" rx="18"/><rect x="870" y="250" width="150" height="360" rx="18"/></g>
<path d="M330 330h190v200H330z" fill="#7fb3c4" opacity=".7"/><path d="M870 330 700 400l30 190 140-60z" fill="#7fb3c4" opacity=".7"/>
<circle cx="255" cy="300" r="16" fill="#d64545"/><circle cx="945" cy="300" r="16" fill="#d64545"/></svg>`;

/** Pages that show something else by their address, beside those that are registered. */
const MORE = {
  'device-pictures': (of) => `/devices/${of('gate-1')}?tab=pictures`,
  'device-commands': (of) => `/devices/${of('relay-1')}?tab=commands`,
  'notification-routes': () => '/notifications?tab=routes',
  'reports-alarms': () => '/reports?tab=alarms',
};

async function addresses(stage) {
  // A page about one thing is left out, and named, where there is no such thing.
  const first = async (path) => {
    try {
      return (await stage.api(path)).items?.[0] ?? {};
    } catch (error) {
      process.stderr.write(`${error}\n`);
      return {};
    }
  };
  const devices = (await stage.api('/devices?site=demo-checkpoint&limit=50')).items;
  const of = (key) => devices.find((device) => device.key === key)?.id;
  const asset = (await first(`/assets?site=${SITE}&class=switch`)).id;
  const alarm = (await first('/alarms?order=severity')).id;
  const rule = (await first('/alarm-rules')).id;
  return {
    '/': '/',
    '/devices': '/devices',
    '/devices/$id': `/devices/${of('ups-1')}?tab=charts&range=1h`,
    '/alarms': '/alarms',
    '/alarms/$id': `/alarms/${alarm}`,
    '/rules': '/rules',
    '/rules/$id': `/rules/${rule}`,
    '/rules/new': '/rules/new',
    '/map': `/map?at=${SITE}`,
    '/plans': `/plans?site=${SITE}`,
    '/topology': `/topology?site=operations-centre`,
    '/assets': '/assets',
    '/assets/import': '/assets/import',
    '/assets/$id': `/assets/${asset}`,
    '/wall': '/wall?every=3600',
    ...Object.fromEntries(Object.entries(MORE).map(([name, address]) => [name, address(of)])),
  };
}

/** Pages of the console, read from where they are registered. */
function registered() {
  const text = readFileSync(new URL('../src/app/pages.ts', import.meta.url), 'utf8');
  return [...text.matchAll(/path: '([^']+)'/g)].map((match) => match[1]);
}

function nameOf(path) {
  const name = path
    .replace(/\/\$\w+$/, '-one')
    .replace(/^\//, '')
    .replaceAll('/', '-');
  return (
    name.replace('devices-one', 'device').replace('alarms-one', 'alarm').replace('assets-one', 'asset') ||
    'overview'
  );
}

/** A picture in WebP, which is a third of the PNG. */
async function asWebp(painter, png) {
  const data = await painter.evaluate(
    async ([source, quality]) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      const canvas = new OffscreenCanvas(image.width, image.height);
      canvas.getContext('2d').drawImage(image, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/webp', quality });
      return btoa(
        Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(''),
      );
    },
    [`data:image/png;base64,${png.toString('base64')}`, QUALITY],
  );
  return Buffer.from(data, 'base64');
}

/** Gives the collector a drawing as a picture. */
async function give(stage, painter, method, path, drawing) {
  const png = await painter.evaluate(async (svg) => {
    const image = new Image();
    image.src = `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
    const blob = await canvas.convertToBlob({ type: 'image/png' });
    return [...new Uint8Array(await blob.arrayBuffer())];
  }, drawing);
  const answer = await fetch(`${stage.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${stage.key}`, 'content-type': 'image/png' },
    body: Buffer.from(png),
  });
  if (!answer.ok) throw new Error(`${path} was refused: ${answer.status} ${await answer.text()}`);
}

/** What people would have entered: who is told, a window, a picture, commands. */
async function work(stage, painter, receiver) {
  const { items } = await stage.api('/devices?site=demo-checkpoint&limit=50');
  const of = (key) => items.find((device) => device.key === key).id;
  const note = encodeURIComponent('闸门未完全关闭，已通知维保');
  await give(stage, painter, 'POST', `/devices/${of('gate-1')}/evidence?note=${note}`, SEEN);
  const settings = { url: `http://127.0.0.1:${receiver.address().port}/alarms`, headers: {} };
  const channel = {
    name: '值班平台',
    kind: 'webhook',
    enabled: true,
    language: 'zh',
    rate_per_hour: 60,
    settings,
  };
  const { id } = await stage.api('/notification-channels', 'POST', channel);
  const match = { sites: [], areas: [], classes: [], min_severity: 'major', conditions: [] };
  const steps = [0, 10].map((after_minutes) => ({
    after_minutes,
    channels: [id],
    roles: [],
    users: [],
  }));
  const quiet = { from: '22:00', to: '07:00', below_severity: 'critical', days: [1, 2, 3, 4, 5, 6, 7] };
  const route = { name: '重要告警', enabled: true, match, steps, quiet, repeat_minutes: 60 };
  await stage.api('/notification-routes', 'POST', route);
  const [from, to] = [Date.now(), Date.now() + 90 * 86_400_000].map(String);
  const repeat = { kind: 'weekly', days: [2], from: '02:00', to: '04:00' };
  const window = { site: SITE, from, to, repeat, reason: '每周系统维护' };
  await stage.api('/maintenance', 'POST', window);
  for (const channel of [1, 2]) {
    const command = { action: 'relay.set', arguments: { channel, on: true }, why: '夜间照明' };
    await stage.api(`/devices/${of('relay-1')}/commands`, 'POST', command);
  }
}

/** The hall of a site gets a plan with its gates on it. */
async function arrange(stage, painter) {
  const areas = (await stage.api(`/areas?site=${SITE}&limit=500`)).items;
  const hall = areas.find((area) => area.name === '旅检大厅');
  if (!hall) throw new Error('the hall of the fleet has no area');
  await give(stage, painter, 'PUT', `/areas/${hall.id}/plan`, PLAN);
  const assets = (await stage.api(`/assets?area=${hall.id}&limit=500`)).items;
  const positions = assets.slice(0, 28).map((asset, at) => ({
    asset: asset.id,
    x: 0.088 + (at % 14) * 0.0629,
    y: at < 14 ? 0.28 : 0.44,
  }));
  await stage.api(`/areas/${hall.id}/positions`, 'PUT', { positions });
}

/** Takes whatever it is told. */
const receiver = createServer((request, response) => request.resume().on('end', () => response.end()));
await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
const [stage, browser] = await Promise.all([Stage.start(['--fleet', '--past', PAST_S]), openBrowser()]);
try {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const painter = await browser.newPage();
  await arrange(stage, painter);
  await work(stage, painter, receiver);
  await stage.say('gate set fault 1');
  await stage.say('ups set 1 holding 1 4');
  const known = await addresses(stage);
  let bytes = 0;
  for (const language of ['zh', 'en']) {
    for (const [kind, size] of [
      ['desk', { width: 1440, height: 900 }],
      ['phone', { width: 390, height: 844 }],
    ]) {
      const page = await openWindow(browser, stage, { ...size, language });
      await page.goto('/');
      await page.locator('input[type="password"]').waitFor();
      if (kind === 'desk') bytes += await shoot(page, painter, `sign-in-${language}`);
      await signIn(page, stage);
      await isLive(page);
      for (const path of [...registered(), ...Object.keys(MORE)]) {
        const address = known[path] ?? (path.includes('$') ? null : path);
        if (address === null || address.includes('undefined')) {
          process.stderr.write(`${path} has no address to show\n`);
          continue;
        }
        const name = nameOf(path);
        if (kind === 'phone' && !ON_PHONE.includes(name)) continue;
        await page.goto(address);
        await page.getByRole('heading', { level: 1 }).first().waitFor();
        // Whatever is on its way has come, or the page says that it has not.
        await page.locator('[aria-busy="true"]').first().waitFor({ state: 'hidden' });
        await page.waitForFunction(() => document.fonts.status === 'loaded');
        await page.waitForTimeout(700);
        bytes += await shoot(page, painter, `${name}${kind === 'phone' ? '-phone' : ''}-${language}`);
      }
      for (const problem of page.problems) process.stderr.write(`${kind} ${language}: ${problem}\n`);
      await page.context().close();
    }
  }
  process.stdout.write(`docs/screenshots: ${(bytes / 1e6).toFixed(1)} MB\n`);
} finally {
  await browser.close();
  await stage.stop();
  receiver.close();
}

async function shoot(page, painter, name) {
  const picture = await asWebp(painter, await page.screenshot());
  writeFileSync(new URL(`${name}.webp`, OUT), picture);
  return picture.length;
}
