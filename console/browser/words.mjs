/** The words of the console, so that tests find things by what people read, in either language. */
import { readFileSync } from 'node:fs';

const cache = new Map();

/** `word('en', 'alarms', 'act.shelve', {count: 1})`. */
export function word(language, namespace, key, values = {}) {
  const name = `${language}/${namespace}`;
  if (!cache.has(name)) {
    const path = new URL(`../src/i18n/${name}.json`, import.meta.url);
    cache.set(name, JSON.parse(readFileSync(path, 'utf8')));
  }
  const text = key.split('.').reduce((group, part) => group?.[part], cache.get(name));
  if (typeof text !== 'string') throw new Error(`there is no word ${key} in ${name}`);
  return text.replace(/\{\{(\w+)\}\}/g, (_, value) => String(values[value] ?? ''));
}
