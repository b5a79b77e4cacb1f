/** Changes that arrived since the last frame, the newest of each thing only. */
import type { Agent, Alarm, Command, Health, Point } from './types';

export interface DeviceChange {
  id: string;
  health?: Health;
  alarms?: number;
}

/** A point's change: what does not change (kind, unit) is left out. */
export type PointChange = Partial<Point> & { point: string };
export type CommandChange = Pick<Command, 'id' | 'device' | 'action' | 'state'>;

export type AgentChange = Pick<Agent, 'id'> & Partial<Agent>;

export interface Batch {
  devices: Map<string, DeviceChange>;
  points: Map<string, Map<string, PointChange>>;
  alarms: Map<string, Alarm>;
  agents: Map<string, AgentChange>;
  commands: Map<string, CommandChange>;
  /** Events were missed: everything has to be asked for again. */
  resync: boolean;
}

export function emptyBatch(): Batch {
  return {
    devices: new Map(),
    points: new Map(),
    alarms: new Map(),
    agents: new Map(),
    commands: new Map(),
    resync: false,
  };
}

export function isEmpty(batch: Batch): boolean {
  const { devices, points, alarms, agents, commands } = batch;
  return !batch.resync && devices.size + points.size + alarms.size + agents.size + commands.size === 0;
}

function rows(data: unknown): unknown[] {
  return Array.isArray(data) ? data : [data];
}

/** Adds an event of the stream; what it does not know is left alone, so that new kinds do no harm. */
export function addEvent(batch: Batch, kind: string, data: unknown): void {
  switch (kind) {
    case 'devices':
      for (const row of rows(data) as DeviceChange[]) {
        batch.devices.set(row.id, { ...batch.devices.get(row.id), ...row });
      }
      break;
    case 'points':
      for (const row of rows(data) as { device: string; points: PointChange[] }[]) {
        const known = batch.points.get(row.device) ?? new Map<string, PointChange>();
        for (const point of row.points) known.set(point.point, { ...known.get(point.point), ...point });
        batch.points.set(row.device, known);
      }
      break;
    case 'alarms':
      for (const row of rows(data) as Alarm[]) {
        const known = batch.alarms.get(row.id);
        if (!known || known.change <= row.change) batch.alarms.set(row.id, row);
      }
      break;
    case 'agents':
      for (const row of rows(data) as AgentChange[])
        batch.agents.set(row.id, { ...batch.agents.get(row.id), ...row });
      break;
    case 'commands':
      for (const row of rows(data) as CommandChange[]) batch.commands.set(row.id, row);
      break;
    case 'resync':
      batch.resync = true;
      break;
  }
}
