/** How many devices stand how: what is said of a group in one word. */
import type { ByLevel, HealthLevel } from './types';

type Group = { by_level: ByLevel };

/** Devices that do not do what they should. */
export function troubled({ unreachable = 0, reachable = 0, answering = 0 }: ByLevel): number {
  return unreachable + reachable + answering;
}

/** Devices of which nobody knows how they are now: their agent is silent, or never said anything of them. */
export function unobserved({ not_current = 0, unknown = 0 }: ByLevel): number {
  return not_current + unknown;
}

/** The level that a group shows: the worst that any of its devices has. It works only if that is known of all. */
export function worstLevel(groups: readonly Group[]): HealthLevel {
  const has = (level: HealthLevel | 'not_current') =>
    groups.some(({ by_level }) => (by_level[level] ?? 0) > 0);
  for (const level of ['unreachable', 'reachable', 'answering'] as const) if (has(level)) return level;
  if (has('not_current') || has('unknown')) return 'unknown';
  for (const level of ['working', 'maintenance', 'disabled'] as const) if (has(level)) return level;
  return 'unknown';
}
