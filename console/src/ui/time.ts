/** Times in a site's zone, and ages in words. */

/** Where nothing says otherwise. */
export const DEFAULT_ZONE = 'Asia/Shanghai';

export type TimeStyle = 'full' | 'minute' | 'time' | 'date' | 'short';

const STYLES: Record<Exclude<TimeStyle, 'short'>, Intl.DateTimeFormatOptions> = {
  full: {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  },
  minute: { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  date: { year: 'numeric', month: '2-digit', day: '2-digit' },
};

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, style: Exclude<TimeStyle, 'short'>): Intl.DateTimeFormat {
  const name = `${zone} ${style}`;
  let found = formats.get(name);
  if (!found) {
    const options = { ...STYLES[style], hourCycle: 'h23' } as const;
    try {
      // Year, month, day in this order in both languages: nobody has to guess which is the month.
      found = new Intl.DateTimeFormat('sv-SE', { ...options, timeZone: zone });
    } catch {
      found = new Intl.DateTimeFormat('sv-SE', { ...options, timeZone: DEFAULT_ZONE });
    }
    formats.set(name, found);
  }
  return found;
}

/** `2026-11-22 18:03:07`, in the zone. */
export function timeText(ms: number, zone: string, style: TimeStyle = 'full'): string {
  if (style === 'short') return timeText(ms, zone, 'minute').slice(5);
  return format(zone, style).format(ms).replace(',', '');
}

/** How far a zone is ahead of UTC at an instant. */
export function zoneOffsetMs(ms: number, zone: string): number {
  const text = timeText(ms, zone, 'full').replace(' ', 'T');
  return Date.parse(`${text}Z`) - Math.floor(ms / 1000) * 1000;
}

/** What a date picker of the zone holds: `2026-11-22 18:03:07`. */
export function localText(ms: number, zone: string): string {
  return timeText(ms, zone, 'full');
}

/** The instant of `2026-11-22 18:03[:07]` in the zone; `null` if that is no time. */
export function localMs(text: string, zone: string): number | null {
  const asUtc = Date.parse(`${text.trim().replace(' ', 'T')}${text.includes(':') ? '' : 'T00:00'}Z`);
  if (Number.isNaN(asUtc)) return null;
  const guess = asUtc - zoneOffsetMs(asUtc, zone);
  // Near a change of the clocks the first guess may have used the other offset.
  return asUtc - zoneOffsetMs(guess, zone);
}

export interface Duration {
  /** A key of `common:duration`. */
  key: 'ms' | 's' | 'min' | 'min_s' | 'h' | 'h_min' | 'd' | 'd_h';
  a: number;
  b: number;
}

/** A length in at most two units, cut, not rounded: nobody waited longer than it says. */
export function duration(ms: number): Duration {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (ms > 0 && ms < 1000) return { key: 'ms', a: Math.round(ms), b: 0 };
  if (seconds < 60) return { key: 's', a: seconds, b: 0 };
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    const rest = seconds % 60;
    return minutes < 10 && rest > 0
      ? { key: 'min_s', a: minutes, b: rest }
      : { key: 'min', a: minutes, b: 0 };
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    const rest = minutes % 60;
    return rest > 0 ? { key: 'h_min', a: hours, b: rest } : { key: 'h', a: hours, b: 0 };
  }
  const days = Math.floor(hours / 24);
  const rest = hours % 24;
  return rest > 0 && days < 10 ? { key: 'd_h', a: days, b: rest } : { key: 'd', a: days, b: 0 };
}
