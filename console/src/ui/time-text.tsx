/** Times and ages. */
import { useTranslation } from 'react-i18next';
import { useIsStale } from '../api/live';
import { Hint } from './hint';
import { useNow } from './now';
import { duration, type TimeStyle, timeText } from './time';
import { useZone } from './zone';

/** A length of time in words. */
export function useDurationText(): (ms: number) => string {
  const { t } = useTranslation('common');
  return (ms) => {
    const { key, a, b } = duration(ms);
    return t(`duration.${key}`, { a, b });
  };
}

function AgeLabel({ ms, zone }: { ms: number; zone: string }) {
  const { t } = useTranslation('common');
  const text = useDurationText();
  const now = useNow();
  const age = ms <= now + 999 ? t('ago', { age: text(now - ms) }) : t('in', { age: text(ms - now) });
  return (
    <>
      {timeText(ms, zone)} · {age}
      <br />
      {zone}
    </>
  );
}

interface TimeProps {
  ms: number | null | undefined;
  /** Whose zone; without it, the page's. */
  site?: string | null | undefined;
  style?: TimeStyle;
}

/** A time in the site's zone, with its age on hover. */
export function TimeText({ ms, site, style = 'full' }: TimeProps) {
  const zone = useZone(site);
  if (ms === null || ms === undefined) return <span className="k-dim">—</span>;
  return (
    <Hint label={<AgeLabel ms={ms} zone={zone} />}>
      <time dateTime={new Date(ms).toISOString()} className="k-num">
        {timeText(ms, zone, style)}
      </time>
    </Hint>
  );
}

/** How long ago something was, counting on, with the time on hover. */
export function Age({ ms, site }: Omit<TimeProps, 'style'>) {
  const zone = useZone(site);
  const text = useDurationText();
  const now = useNow();
  if (ms === null || ms === undefined) return <span className="k-dim">—</span>;
  return (
    <Hint label={<AgeLabel ms={ms} zone={zone} />}>
      <time dateTime={new Date(ms).toISOString()} className="k-num">
        {text(Math.max(0, Math.floor((now - ms) / 1000) * 1000))}
      </time>
    </Hint>
  );
}

/** A length of time. */
export function DurationText({ ms }: { ms: number | null | undefined }) {
  const text = useDurationText();
  if (ms === null || ms === undefined) return <span className="k-dim">—</span>;
  return <span className="k-num">{text(ms)}</span>;
}

/** Marks what is inside as old while the stream is down. */
export function Fresh({ children }: { children: React.ReactNode }) {
  return <span className={useIsStale() ? 'k-stale' : undefined}>{children}</span>;
}
