/** What a browser fetches before the overview stands there, compressed, against its limit. Part of `npm run build`. */
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT_KB = 450;
const FOLDER = new URL('dist/', import.meta.url);

const read = (name) => readFileSync(new URL(name, FOLDER));
const size = (name) => gzipSync(read(name), { level: 9 }).length;
const files = readdirSync(new URL('assets/', FOLDER));

/** The page's own file of that name, and the style sheet beside it. */
const ofPage = (page) => files.filter((file) => new RegExp(`^${page}-[\\w-]{8}\\.(js|css)$`).test(file));

/** These files with all that they import before they run. */
function withImports(names) {
  const found = new Set();
  const wanted = [...names];
  while (wanted.length > 0) {
    const name = wanted.pop();
    if (found.has(name)) continue;
    found.add(name);
    if (!name.endsWith('.js')) continue;
    const text = read(`assets/${name}`).toString();
    for (const [, each] of text.matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)) wanted.push(each);
  }
  return found;
}

const page = read('index.html').toString();
const named = [...page.matchAll(/\/assets\/([\w.-]+)/g)].map(([, name]) => name);
const overview = ofPage('overview');
if (named.length === 0 || overview.length === 0) throw new Error('dist has no overview; was it built?');
const sum = (names) => [...names].reduce((total, name) => total + size(`assets/${name}`), 0);
const words = Math.max(...['zh', 'en'].map((language) => sum(ofPage(language))));
const bytes = size('index.html') + sum(withImports([...named, ...overview])) + words;
const kb = Math.round(bytes / 1000);
console.log(`First load of the overview: ${kb} kB compressed; at most ${LIMIT_KB} kB.`);
if (kb > LIMIT_KB) process.exitCode = 1;
