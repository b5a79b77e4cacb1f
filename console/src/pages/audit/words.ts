import { useTranslation } from 'react-i18next';

/** What somebody did, in words; a deed that nobody translated is shown as it is recorded. */
export function useActionText(): (action: string) => string {
  const { t, i18n } = useTranslation('audit');
  return (action) => (i18n.exists(`action.${action}`, { ns: 'audit' }) ? t(`action.${action}`) : action);
}

/** Details as short text: `name: wang · roles: operator`. */
export function detailText(detail: unknown): string {
  if (detail === null || detail === undefined) return '';
  if (typeof detail !== 'object') return String(detail);
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ');
}
