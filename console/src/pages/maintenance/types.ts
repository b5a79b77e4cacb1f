import type { Maintenance } from '../../api/types';

export interface Repeat {
  kind: 'daily' | 'weekly' | 'monthly';
  /** 1 for Monday to 7 for Sunday, or days of the month. */
  days?: number[];
  from: string;
  to: string;
  until?: string | null;
}

export type Window = Maintenance & { area?: string | null; repeat?: Repeat | null };
export type WindowState = 'now' | 'next' | 'over' | 'cancelled';

/** Minutes since midnight of `HH:MM`; `null` for what is none. */
export function minutesOf(clock: string): number | null {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(clock);
  return match ? Number(match[1]) * 60 + Number(match[2]) : null;
}

/** Whether a repeating window ends on the day after it begins. */
export function crossesMidnight(repeat: Pick<Repeat, 'from' | 'to'>): boolean {
  const [from, to] = [minutesOf(repeat.from), minutesOf(repeat.to)];
  return from !== null && to !== null && to <= from;
}

/** A local moment: its day of the week (1 for Monday) and of the month, and minutes since midnight. */
export interface LocalMoment {
  weekday: number;
  day: number;
  minutes: number;
}

/** `2026-11-22 18:03` in the window's zone, as parts. */
export function momentOf(local: string): LocalMoment {
  const [date = '', clock = ''] = local.split(/[ T]/);
  const weekday = new Date(`${date}T00:00:00Z`).getUTCDay();
  return {
    weekday: weekday === 0 ? 7 : weekday,
    day: Number(date.slice(8, 10)),
    minutes: minutesOf(clock.slice(0, 5)) ?? 0,
  };
}

function isDay(repeat: Repeat, moment: LocalMoment): boolean {
  if (repeat.kind === 'daily') return true;
  return (repeat.days ?? []).includes(repeat.kind === 'weekly' ? moment.weekday : moment.day);
}

/** Whether a repeating window is open at a local moment; `yesterday` is the same clock time a day before. */
export function isOpenAt(repeat: Repeat, moment: LocalMoment, yesterday: LocalMoment): boolean {
  const [from, to] = [minutesOf(repeat.from), minutesOf(repeat.to)];
  if (from === null || to === null) return false;
  if (!crossesMidnight(repeat)) return isDay(repeat, moment) && moment.minutes >= from && moment.minutes < to;
  return (
    (isDay(repeat, moment) && moment.minutes >= from) || (isDay(repeat, yesterday) && moment.minutes < to)
  );
}

/** Whether a window can still be ended. One that was ended is over, whatever the clocks of two machines say of it. */
export function canEnd(window: Pick<Window, 'cancelled' | 'ended_ms' | 'to_ms'>, now: number): boolean {
  return !window.cancelled && (window.ended_ms ?? null) === null && window.to_ms > now;
}

/** How a window stands at an instant. `localOf` gives the local time of its site. */
export function stateOf(window: Window, now: number, localOf: (ms: number) => string): WindowState {
  if (window.cancelled) return 'cancelled';
  if (!canEnd(window, now)) return 'over';
  if (window.from_ms > now) return 'next';
  if (!window.repeat) return 'now';
  const isOpen = isOpenAt(window.repeat, momentOf(localOf(now)), momentOf(localOf(now - 86_400_000)));
  return isOpen ? 'now' : 'next';
}

export interface Draft {
  scope: 'site' | 'area' | 'class' | 'device';
  site: string;
  area: string;
  class: string;
  device: string;
  isRepeating: boolean;
  from_ms: number | null;
  to_ms: number | null;
  repeat: Repeat;
  reason: string;
}

const YEAR_MS = 366 * 86_400_000;

/** Keys of the words `wrong` for what a draft lacks. */
export function wrongWith(draft: Draft): string[] {
  const wrong: string[] = [];
  if (draft.scope === 'device' ? draft.device === '' : draft.site === '')
    wrong.push(draft.scope === 'device' ? 'device' : 'site');
  if (draft.scope === 'area' && draft.area === '') wrong.push('area');
  if (draft.scope === 'class' && draft.class === '') wrong.push('class');
  const { from_ms: from, to_ms: to, repeat } = draft;
  // One that repeats is open for hours only, so it may go on for years.
  const longest = draft.isRepeating ? 5 * YEAR_MS : YEAR_MS;
  if (from === null || to === null || from >= to || to - from > longest) wrong.push('times');
  if (draft.isRepeating) {
    if (minutesOf(repeat.from) === null || minutesOf(repeat.to) === null) wrong.push('clock');
    if (repeat.kind !== 'daily' && (repeat.days ?? []).length === 0) wrong.push('days');
  }
  if (draft.reason.trim() === '' || draft.reason.length > 500) wrong.push('reason');
  return wrong;
}

/** What is sent to make a window. */
export function requestOf(draft: Draft): Record<string, unknown> {
  const { scope, repeat } = draft;
  const place: Record<string, string> = scope === 'device' ? { device: draft.device } : { site: draft.site };
  if (scope === 'area') place.area = draft.area;
  if (scope === 'class') place.class = draft.class;
  const { kind, from, to, days } = repeat;
  const again = kind === 'daily' ? { kind, from, to } : { kind, from, to, days: days ?? [] };
  return {
    ...place,
    from: String(draft.from_ms),
    to: String(draft.to_ms),
    reason: draft.reason.trim(),
    ...(draft.isRepeating ? { repeat: again } : {}),
  };
}
