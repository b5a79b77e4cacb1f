/** Words of the console: Chinese first, English equal, one file for each page and language. */
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

export type Language = 'zh' | 'en';
export const LANGUAGES: readonly Language[] = ['zh', 'en'];

type Words = Record<string, Record<string, unknown>>;

/** Only the chosen language travels; a switch fetches the other. */
const LOADERS: Record<Language, () => Promise<{ words: Words }>> = {
  zh: () => import('./zh'),
  en: () => import('./en'),
};
const STORED = 'kouan.language';

function preferred(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === 'zh' || stored === 'en') return stored;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, 'common')) return;
  const { words } = await LOADERS[language]();
  for (const [namespace, texts] of Object.entries(words))
    i18next.addResourceBundle(language, namespace, texts);
}

function mark(language: Language): void {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

/** Reads the words of the preferred language; to be awaited before anything is drawn. */
export async function startLanguage(): Promise<void> {
  const language = preferred();
  await i18next.use(initReactI18next).init({
    lng: language,
    resources: {},
    defaultNS: 'common',
    fallbackNS: ['common'],
    interpolation: { escapeValue: false },
    returnEmptyString: false,
  });
  await load(language);
  await i18next.changeLanguage(language);
  mark(language);
}

export async function switchLanguage(language: Language): Promise<void> {
  await load(language);
  localStorage.setItem(STORED, language);
  await i18next.changeLanguage(language);
  mark(language);
}

export function currentLanguage(): Language {
  return i18next.language === 'en' ? 'en' : 'zh';
}
