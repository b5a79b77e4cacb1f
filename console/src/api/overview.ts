/** The overview as pages use it, out of what the collector tells of groups, agents and alarms. */
import type { AlarmSummary, ByLevel, HealthLevel, Overview, Severity } from './types';

interface Group {
  id: string;
  total: number;
  alarms: number;
  not_current: number;
}
type WireGroup = Group & Record<HealthLevel, number>;

export interface WireOverview {
  now_ms: number;
  devices: Omit<WireGroup, 'id'>;
  sites: WireGroup[];
  classes: WireGroup[];
  agents: {
    id: string;
    site: string;
    connected: boolean;
    silent_ms: number | null;
    lanes: { lane: string; waiting: number | null; age_seconds: number | null }[];
  }[];
}

function levels(group: Omit<WireGroup, 'id'>): ByLevel {
  const { working, answering, reachable, unreachable, maintenance, disabled, unknown, not_current } = group;
  return { working, answering, reachable, unreachable, maintenance, disabled, unknown, not_current };
}

export function readOverview(wire: WireOverview, alarms: AlarmSummary): Overview {
  const worst = new Map<string, Severity | null>(alarms.by_site.map((row) => [row.site, row.worst]));
  return {
    now_ms: wire.now_ms,
    devices: { total: wire.devices.total, by_level: levels(wire.devices) },
    sites: wire.sites.map((group) => ({
      site: group.id,
      total: group.total,
      by_level: levels(group),
      worst_severity: worst.get(group.id) ?? null,
      open_alarms: group.alarms,
      availability_24h: null,
    })),
    classes: wire.classes.map((group) => ({
      class: group.id,
      total: group.total,
      by_level: levels(group),
      open_alarms: group.alarms,
    })),
    agents: wire.agents.map((agent) => {
      const ages = agent.lanes.flatMap((lane) => (lane.waiting ? [(lane.age_seconds ?? 0) * 1000] : []));
      return {
        agent: agent.id,
        site: agent.site,
        online: agent.connected,
        backlog: Object.fromEntries(agent.lanes.map((lane) => [lane.lane, lane.waiting ?? 0])),
        oldest_ms: ages.length > 0 ? Math.max(...ages) : null,
      };
    }),
    alarms,
  };
}
