/** Which site needs somebody first. */
import type { HealthLevel, Overview } from '../../api/types';
import { SEVERITIES } from '../../ui/badges';

export type SiteSummary = Overview['sites'][number];

/** Devices that do not do what they should. */
export function troubled(row: Pick<SiteSummary, 'by_level'>): number {
  const { unreachable = 0, reachable = 0, answering = 0 } = row.by_level;
  return unreachable + reachable + answering;
}

/** Worse sites first: by the severity of what is open there, then by what does not work. */
export function worstFirst(a: SiteSummary, b: SiteSummary): number {
  const rank = (row: SiteSummary) =>
    row.worst_severity ? SEVERITIES.indexOf(row.worst_severity) : SEVERITIES.length;
  return rank(a) - rank(b) || troubled(b) - troubled(a) || a.site.localeCompare(b.site);
}

/** The level that a group shows: the worst that any of its devices has. */
export function worstLevel(rows: readonly Pick<SiteSummary, 'by_level'>[]): HealthLevel {
  for (const level of ['unreachable', 'reachable', 'answering'] as const) {
    if (rows.some((row) => (row.by_level[level] ?? 0) > 0)) return level;
  }
  return rows.some((row) => (row.by_level.working ?? 0) > 0) ? 'working' : 'unknown';
}
