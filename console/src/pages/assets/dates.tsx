/** Dates at which something ends. */
import { useTranslation } from 'react-i18next';
import { ToneBadge } from '../../ui/badges';
import { useNow } from '../../ui/now';
import type { Asset } from './types';

const DAY_MS = 86_400_000;
/** What ends sooner than this many days is worth a word. */
const SOON_DAYS = 60;

/** Days from now until a date; negative when it is past. */
export function daysUntil(date: string, nowMs: number): number {
  return Math.floor((Date.parse(`${date}T00:00:00Z`) - nowMs) / DAY_MS) + 1;
}

/** The first date at which the warranty or a licence ends. */
export function firstExpiry(asset: Pick<Asset, 'warranty_until' | 'licences'>): string | null {
  const dates = [asset.warranty_until, ...(asset.licences ?? []).map((licence) => licence.until)];
  return dates.filter((date): date is string => !!date).sort()[0] ?? null;
}

/** A date, with a word where it is past or near. */
export function EndDate({ date }: { date: string | null }) {
  const { t } = useTranslation('assets');
  const now = useNow();
  if (!date) return <span className="k-dim">—</span>;
  const days = daysUntil(date, now);
  return (
    <span className="k-num">
      {date} {days < 0 && <ToneBadge tone="bad">{t('expired')}</ToneBadge>}
      {days >= 0 && days <= SOON_DAYS && <ToneBadge tone="warn">{t('endsIn', { days })}</ToneBadge>}
    </span>
  );
}
