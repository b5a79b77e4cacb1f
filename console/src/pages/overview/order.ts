/** The order of what is shown: whatever needs somebody first. */
import { troubled, unobserved } from '../../api/standing';
import type { Alarm, ByLevel, HealthLevel, Overview, Severity } from '../../api/types';
import { LEVELS } from '../../ui/badges';

const SEVERITY_WEIGHT: Record<Severity, number> = { critical: 4, major: 3, warning: 2, info: 1 };

/** Sites with the worst alarm first, then those with the larger part in trouble. */
export function worstSites(sites: Overview['sites']): Overview['sites'] {
  const weight = (severity: Severity | null) => (severity ? SEVERITY_WEIGHT[severity] : 0);
  const share = (site: Overview['sites'][number]) => troubled(site.by_level) / Math.max(1, site.total);
  return [...sites].sort(
    (a, b) =>
      weight(b.worst_severity) - weight(a.worst_severity) ||
      share(b) - share(a) ||
      unobserved(b.by_level) - unobserved(a.by_level) ||
      b.open_alarms - a.open_alarms ||
      a.site.localeCompare(b.site),
  );
}

/** Classes with the most devices out of service first. */
export function worstClasses(classes: Overview['classes']): Overview['classes'] {
  return [...classes].sort(
    (a, b) =>
      (b.by_level.unreachable ?? 0) - (a.by_level.unreachable ?? 0) ||
      troubled(b.by_level) - troubled(a.by_level) ||
      unobserved(b.by_level) - unobserved(a.by_level) ||
      b.open_alarms - a.open_alarms ||
      b.total - a.total ||
      a.class.localeCompare(b.class),
  );
}

/** Agents that are not heard first, then by how much waits. */
export function worstAgents(agents: Overview['agents']): Overview['agents'] {
  const waiting = (agent: Overview['agents'][number]) =>
    Object.values(agent.backlog).reduce<number>((sum, n) => sum + (n ?? 0), 0);
  return [...agents].sort(
    (a, b) =>
      Number(a.online) - Number(b.online) || waiting(b) - waiting(a) || a.agent.localeCompare(b.agent),
  );
}

/** Alarms that somebody should look at: what stands before what is over, then the worst, then what nobody saw. */
export function needy(alarms: readonly Alarm[]): Alarm[] {
  const open = alarms.filter((alarm) => alarm.state !== 'closed');
  const stands = (alarm: Alarm) => Number(alarm.state === 'raised');
  const isNew = (alarm: Alarm) => Number(alarm.acknowledged_ms === null);
  return open.sort(
    (a, b) =>
      stands(b) - stands(a) ||
      SEVERITY_WEIGHT[b.severity] - SEVERITY_WEIGHT[a.severity] ||
      isNew(b) - isNew(a) ||
      b.last_raised_ms - a.last_raised_ms,
  );
}

export interface Segment {
  level: HealthLevel | 'not_current';
  n: number;
  /** Of the whole, 0 to 1. */
  share: number;
}

/** Parts of a bar, worst first; small parts are kept wide enough to be seen. */
export function segments(levels: ByLevel, total: number): Segment[] {
  const names = [...LEVELS.slice(0, -1), 'not_current', ...LEVELS.slice(-1)] as const;
  const present = (names as readonly Segment['level'][])
    .map((level) => ({ level, n: levels[level] ?? 0 }))
    .filter(({ n }) => n > 0);
  const least = 0.012;
  const raw = present.map(({ level, n }) => ({ level, n, share: Math.max(least, n / Math.max(1, total)) }));
  const sum = raw.reduce((all, { share }) => all + share, 0);
  return raw.map((part) => ({ ...part, share: part.share / sum }));
}
