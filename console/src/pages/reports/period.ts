/** Days, months and years of a report, in the zone of its site. */

export const PERIODS = ['day', 'month', 'year'] as const;
export type Period = (typeof PERIODS)[number];

const LENGTHS: Record<Period, number> = { day: 10, month: 7, year: 4 };

/** Which day, month or year a local time is in: `2026-11-22`, `2026-11`, `2026`. */
export function periodOf(period: Period, local: string): string {
  return local.slice(0, LENGTHS[period]);
}

/** Whether it names a period: a real day, a real month. */
export function isPeriod(period: Period, at: string): boolean {
  if (at.length !== LENGTHS[period] || !/^\d{4}(-\d\d){0,2}$/.test(at)) return false;
  const full = `${at}-01-01`.slice(0, 10);
  const date = new Date(`${full}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 10) === full;
}

/** The one `steps` later, or earlier. */
export function moved(period: Period, at: string, steps: number): string {
  const [year = 1970, month = 1, day = 1] = at.split('-').map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  if (period === 'day') date.setUTCDate(date.getUTCDate() + steps);
  else if (period === 'month') date.setUTCMonth(date.getUTCMonth() + steps);
  else date.setUTCFullYear(date.getUTCFullYear() + steps);
  return periodOf(period, date.toISOString());
}

/** Where it begins and where the next one does, as local times. */
export function bounds(period: Period, at: string): [string, string] {
  const start = (name: string) => `${`${name}-01-01`.slice(0, 10)} 00:00:00`;
  return [start(at), start(moved(period, at, 1))];
}
