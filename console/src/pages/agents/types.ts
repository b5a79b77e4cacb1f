import type { components } from '../../api/schema';

type Schemas = components['schemas'];
export type Agent = Schemas['AgentView'];
export type Gap = Schemas['GapRow'];
export type Quarantined = Schemas['QuarantineRow'];
export type Outage = Schemas['OutageRow'];

/** What waits in a lane of an agent, by its own words; `null` if it is not known. */
export interface Lane {
  lane: 'urgent' | 'events' | 'readings';
  waiting: number | null;
  age_seconds: number | null;
  lost: number | null;
}

/** An agent as the overview tells of it. */
export interface AgentLine {
  id: string;
  connected: boolean;
  buffer: 'durable' | 'paused' | 'volatile' | null;
  lanes: Lane[];
}

/** An agent with what waits in it, when that is known. */
export type AgentRow = Agent & { line: AgentLine | null };

export function together(agents: readonly Agent[], lines: readonly AgentLine[]): AgentRow[] {
  const byId = new Map(lines.map((line) => [line.id, line]));
  return agents.map((agent) => ({ ...agent, line: byId.get(agent.id) ?? null }));
}

/** All that waits and was lost, and the oldest of it; `null` where no lane knows. */
export function sumOf(lanes: readonly Lane[]): {
  waiting: number | null;
  oldest_ms: number | null;
  lost: number | null;
} {
  const known = (values: (number | null)[]) => values.filter((value) => value !== null);
  const sum = (values: number[]) => (values.length > 0 ? values.reduce((a, b) => a + b, 0) : null);
  const ages = known(lanes.filter((lane) => (lane.waiting ?? 0) > 0).map((lane) => lane.age_seconds));
  return {
    waiting: sum(known(lanes.map((lane) => lane.waiting))),
    oldest_ms: ages.length > 0 ? Math.max(...ages) * 1000 : null,
    lost: sum(known(lanes.map((lane) => lane.lost))),
  };
}
