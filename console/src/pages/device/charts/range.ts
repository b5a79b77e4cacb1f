/** Which time the charts show: the last hours, following the present, or a fixed range that was zoomed to. */
export const RANGES = ['1h', '6h', '24h', '7d', '30d', '1y'] as const;
export type RangeName = (typeof RANGES)[number];

const HOUR = 3_600_000;
export const RANGE_MS: Record<RangeName, number> = {
  '1h': HOUR,
  '6h': 6 * HOUR,
  '24h': 24 * HOUR,
  '7d': 7 * 24 * HOUR,
  '30d': 30 * 24 * HOUR,
  '1y': 365 * 24 * HOUR,
};

/** The shortest that can be zoomed to. */
const SHORTEST_MS = 10_000;
const LONGEST_MS = 5 * 365 * 24 * HOUR;

export interface Range {
  from: number;
  to: number;
  /** It ends now, and moves along. */
  follows: boolean;
}

export function rangeOf(name: RangeName, from: number | null, to: number | null, now: number): Range {
  if (from !== null && to !== null && to > from)
    return { from, to: Math.max(to, from + SHORTEST_MS), follows: false };
  return { from: now - RANGE_MS[name], to: now, follows: true };
}

/** Twice as long around the same middle, but not beyond the present. */
export function widened(
  { from, to }: { from: number; to: number },
  now: number,
): { from: number; to: number } {
  const half = Math.min(LONGEST_MS, (to - from) * 2) / 2;
  const middle = (from + to) / 2;
  const end = Math.min(now, middle + half);
  return { from: Math.round(end - 2 * half), to: Math.round(end) };
}

/** Half a range earlier or later, but not beyond the present. */
export function moved(
  { from, to }: { from: number; to: number },
  by: -1 | 1,
  now: number,
): { from: number; to: number } {
  const step = ((to - from) / 2) * by;
  const end = Math.min(now, to + step);
  return { from: Math.round(end - (to - from)), to: Math.round(end) };
}
