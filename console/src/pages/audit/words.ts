import { useTranslation } from 'react-i18next';
import { valueText } from '../assets/value-text';

/** What somebody did, in words; a deed that nobody translated is shown as it is recorded. */
export function useActionText(): (action: string) => string {
  const { t, i18n } = useTranslation('audit');
  return (action) => (i18n.exists(`action.${action}`, { ns: 'audit' }) ? t(`action.${action}`) : action);
}

/** Fields with what they were and are, `model: A → B`; anything else by what it says, without the names of its fields. */
function partText(value: unknown): string {
  const isChange = (part: unknown): part is { field: string; from: unknown; to: unknown } =>
    typeof part === 'object' && part !== null && 'field' in part && 'to' in part;
  if (!Array.isArray(value) || value.length === 0 || !value.every(isChange)) return valueText(value);
  return value.map(({ field, from, to }) => `${field}: ${valueText(from)} → ${valueText(to)}`).join('; ');
}

/** Details as short text: `name: wang · roles: operator`. */
export function detailText(detail: unknown): string {
  if (detail === null || detail === undefined) return '';
  if (typeof detail !== 'object') return String(detail);
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}: ${partText(value)}`)
    .join(' · ');
}
