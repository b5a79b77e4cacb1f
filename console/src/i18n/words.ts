/** Words of things that the collector names by code: classes, levels, states, points, reasons, units. */
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Names } from '../api/types';
import { currentLanguage, type Language } from './index';
import { keyOf, pointName } from './points';

/** A text, and the same in Chinese if somebody wrote it. */
export interface Said {
  text?: string | null | undefined;
  text_zh?: string | null | undefined;
}

export interface Words {
  language: Language;
  /** What devices of a class are called. */
  class: (id: string) => string;
  health: (level: string) => string;
  severity: (severity: string) => string;
  /** A state or text of a point, an event's field, a result: `open` → 开. */
  state: (word: string) => string;
  point: (name: string) => string;
  event: (kind: string) => string;
  action: (name: string) => string;
  condition: (name: string) => string;
  /** Why a device is as it is, or why a value is not good. */
  reason: (code: string) => string;
  /** What a device says for itself, in the page's language where it says it in both. */
  text: (said: Said) => string;
  /** A name given in both languages, or `fallback`. */
  name: (names: Names | null | undefined, fallback: string) => string;
}

/** Codes that nobody translated are shown readable: `door-open` → door open. */
function readable(code: string): string {
  return code.replace(/[_-]+/g, ' ').trim();
}

export function useWords(): Words {
  const { t, i18n } = useTranslation('terms');
  const language = i18n.language;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `t` is another function once the language is another
  return useMemo(() => {
    const find = (group: string) => (key: string) => {
      const path = `${group}.${key}`;
      return key && i18n.exists(path, { ns: 'terms' }) ? t(path) : undefined;
    };
    const look = (group: string) => {
      const found = find(group);
      return (code: string) => found(keyOf(code)) ?? readable(code);
    };
    const state = find('state');
    const point = find('point');
    const part = find('part');
    return {
      language: currentLanguage(),
      class: look('class'),
      health: look('health'),
      severity: look('severity'),
      // Serial numbers and dates are texts as well, and stay as they are.
      state: (word) => state(keyOf(word)) ?? word,
      point: (name) => pointName(name, point, part, currentLanguage() === 'zh'),
      event: look('event'),
      action: look('action'),
      condition: look('condition'),
      reason: look('reason'),
      text: ({ text, text_zh }) => (currentLanguage() === 'zh' && text_zh ? text_zh : (text ?? '')),
      name: (names, fallback) => names?.[currentLanguage()] || names?.zh || names?.en || fallback,
    };
  }, [t, language]);
}
