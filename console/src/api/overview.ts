/** The overview: how devices stand, joined with which alarms are open and how available everything was. */
import { queryOptions } from '@tanstack/react-query';
import { api } from './client';
import type { AlarmSummary, ByLevel, HealthLevel, Overview } from './types';

type Counts = Record<HealthLevel | 'total' | 'alarms' | 'not_current', number>;

/** How devices and agents stand, in the collector's words. */
export interface StandingAnswer {
  now_ms: number;
  devices: Counts;
  sites: ({ id: string } & Counts)[];
  classes: ({ id: string } & Counts)[];
  agents: {
    id: string;
    site: string;
    connected: boolean;
    silent_ms: number | null;
    lanes: { lane: string; waiting: number | null; age_seconds: number | null }[];
  }[];
}

function levels(counts: Counts): ByLevel {
  const { total: _total, alarms: _alarms, working, answering, reachable, unreachable, ...rest } = counts;
  const { maintenance, disabled, unknown, not_current } = rest;
  return { working, answering, reachable, unreachable, maintenance, disabled, unknown, not_current };
}

export function joinOverview(standing: StandingAnswer, alarms: AlarmSummary): Overview {
  const bySite = new Map(alarms.by_site.map((row) => [row.site, row]));
  return {
    now_ms: standing.now_ms,
    devices: { total: standing.devices.total, by_level: levels(standing.devices) },
    sites: standing.sites.map((group) => ({
      site: group.id,
      total: group.total,
      by_level: levels(group),
      worst_severity: bySite.get(group.id)?.worst ?? null,
      open_alarms: bySite.get(group.id)?.open ?? 0,
    })),
    classes: standing.classes.map((group) => ({
      class: group.id,
      total: group.total,
      by_level: levels(group),
      open_alarms: group.alarms,
    })),
    agents: standing.agents.map((agent) => {
      const ages = agent.lanes.flatMap(({ waiting, age_seconds }) =>
        waiting && age_seconds !== null ? [age_seconds] : [],
      );
      return {
        agent: agent.id,
        site: agent.site,
        online: agent.connected,
        silent_ms: agent.silent_ms,
        backlog: Object.fromEntries(agent.lanes.map(({ lane, waiting }) => [lane, waiting])),
        oldest_ms: ages.length > 0 ? Math.max(...ages) * 1000 : null,
      };
    }),
    alarms,
  };
}

/** The share of answered alarms that were answered within 10 minutes; `null` if none was answered. */
export function promptShare(response: AlarmSummary['response']): number | null {
  return response && response.count > 0 ? (response.within_10_min ?? 0) / response.count : null;
}

export const overviewQuery = (site: string | null) =>
  queryOptions({
    queryKey: ['overview', { site }],
    queryFn: async ({ signal }) => {
      const [standing, alarms] = await Promise.all([
        api.get<StandingAnswer>('/overview', { site }, signal),
        api.get<AlarmSummary>('/alarms/summary', { site }, signal),
      ]);
      return joinOverview(standing, alarms);
    },
  });

/** Today's availability by site. */
export const availabilityQuery = queryOptions({
  queryKey: ['availability', 'today'],
  queryFn: async ({ signal }) => {
    const query = { period: 'day', by: 'site' };
    const { items } = await api.get<{ items: { key: string; availability: number | null }[] }>(
      '/availability/summary',
      query,
      signal,
    );
    return new Map(items.map(({ key, availability }) => [key, availability]));
  },
  staleTime: 60_000,
  refetchInterval: 60_000,
});
