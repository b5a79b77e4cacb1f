import { describe, expect, it } from 'vitest';
import { words as en } from './en';
import { words as zh } from './zh';

/** Plural forms differ between languages: `n_one` and `n_other` are one key. */
function keysOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [path.replace(/_(one|other)$/, '')];
  return Object.entries(value).flatMap(([key, inner]) => keysOf(inner, path ? `${path}.${key}` : key));
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(value as Record<string, unknown>).flatMap(textsOf);
}

function keys(words: Record<string, unknown>, namespace: string): string[] {
  return [...new Set(keysOf(words[namespace], ''))].sort();
}

describe('words', () => {
  it('has the same namespaces in both languages', () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  });

  it.each(Object.keys(zh))('has the same keys in both languages: %s', (namespace) => {
    expect(keys(en, namespace)).toEqual(keys(zh, namespace));
  });

  it('has no empty text, and no Chinese among the English', () => {
    for (const words of [zh, en]) {
      for (const namespace of Object.values(words)) {
        for (const text of textsOf(namespace)) expect(text.trim()).not.toBe('');
      }
    }
    for (const [name, namespace] of Object.entries(en)) {
      // The language switch names each language in its own words.
      const chinese = textsOf(namespace).filter((text) => /[\u4e00-\u9fff]/.test(text) && text !== '中文');
      expect(chinese, name).toEqual([]);
    }
  });
});
