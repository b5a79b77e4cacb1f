/** What the API tells. Most of it is generated from the collector's own description; the rest is written out. */
import type { components } from './schema';

type Schemas = components['schemas'];

/** A page of a list. */
export interface Page<T> {
  items: T[];
  next?: string | null;
  total?: number;
}

export type HealthLevel =
  | 'working'
  | 'answering'
  | 'reachable'
  | 'unreachable'
  | 'maintenance'
  | 'disabled'
  | 'unknown';
export type Severity = 'info' | 'warning' | 'major' | 'critical';
export type Right =
  | 'metrics'
  | 'read'
  | 'operate'
  | 'command'
  | 'maintain'
  | 'evidence'
  | 'configure'
  | 'admin'
  | 'audit';

export interface Health {
  level: HealthLevel;
  reason: string;
  text: string;
  /** The same in Chinese; empty where nobody wrote it. */
  text_zh?: string;
  time?: string | null;
  time_ms?: number | null;
  /** Whether its agent is heard. */
  current: boolean;
}

export type Device = Omit<Schemas['DeviceView'], 'health'> & { health: Health; asset?: string | null };
export type Value = number | string | boolean | null;
export type Point = Omit<Schemas['PointView'], 'value' | 'kind'> & {
  value?: Value;
  kind: 'measurement' | 'state' | 'counter' | 'text';
};
export type Binding = Schemas['BindingRow'];

/** An argument of an action. */
export interface ActionArgument {
  name: string;
  [more: string]: unknown;
}

/** What a device can be told to do. */
export interface Action {
  name: string;
  moves?: boolean;
  arguments?: ActionArgument[];
  [more: string]: unknown;
}

export type DeviceDetail = Device & { points: Point[]; actions: Action[]; bindings: Binding[] };

export type CommandState =
  | 'queued'
  | 'held'
  | 'delivered'
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'expired'
  | 'rejected'
  | 'unknown';
export type Command = Omit<Schemas['CommandRow'], 'state' | 'arguments' | 'results'> & {
  state: CommandState;
  arguments: Record<string, Value>;
  results: Record<string, Value>;
} & InChinese;
export type CommandDetail = Command & { history: (Schemas['HistoryRow'] & InChinese)[] };
/** A reason in Chinese; empty where nobody wrote it. */
interface InChinese {
  reason_zh?: string;
}
export type EventRow = Omit<Schemas['EventRow'], 'fields' | 'blobs'> & {
  fields: Record<string, Value>;
  blobs: { hash: string; size: number; media_type?: string }[];
};
export type Agent = Schemas['AgentView'];
export type Session = Omit<Schemas['SessionView'], 'rights'> & { rights: Right[] };
export type AuditRow = Omit<Schemas['AuditRow'], 'detail'> & { detail: unknown };
export type Maintenance = Schemas['MaintenanceRow'];

/** A name in both languages. */
export interface Names {
  zh: string;
  en: string;
}

export interface Site {
  id: string;
  name?: Names | null;
  /** IANA name of its time zone. */
  zone?: string | null;
  lon?: number | null;
  lat?: number | null;
  /** Sent back with a change; refused when somebody else was faster. */
  revision?: string;
  /** Its place on a plan of all sites. */
  position?: { x: number; y: number } | null;
  devices: number;
  by_health?: Partial<Record<HealthLevel, number>>;
  worst?: string | null;
}

export interface Area {
  id: string;
  site: string;
  parent: string | null;
  name: string;
  order: number;
  /** Whether it has a floor plan. */
  plan: boolean;
  /** Sent back with a change; refused when somebody else was faster. */
  revision?: string;
  /** Names from the top of the tree down to this one. */
  path: string[];
}

/** One life of one condition. */
export interface Alarm {
  id: string;
  change: number;
  site: string;
  area: string;
  device: string | null;
  device_label: string;
  class: string;
  agent: string;
  origin: 'edge' | 'rule' | 'collector';
  rule: string | null;
  condition: string;
  point: string;
  severity: Severity;
  state: 'raised' | 'cleared' | 'closed';
  text: Names;
  value: Value;
  unit: string;
  raised_ms: number;
  last_raised_ms: number;
  cleared_ms: number | null;
  count: number;
  flapping: boolean;
  acknowledged_by: string | null;
  acknowledged_ms: number | null;
  assigned_to: string | null;
  assigned_name: string | null;
  shelved_until_ms: number | null;
  shelved_by: string | null;
  shelve_reason: string | null;
  hidden_by: string | null;
  hides: number;
  maintenance: boolean;
  comments: number;
  closed_by: string | null;
  closed_ms: number | null;
  response_ms: number | null;
  repair_ms: number | null;
}

export interface AlarmSummary {
  by_severity: Partial<Record<Severity, { open: number; unacknowledged: number }>>;
  by_site: { site: string; open: number; worst: Severity | null; unacknowledged: number }[];
  hidden: number;
  shelved: number;
  maintenance: number;
  /** Of the last 30 days; `within_10_min` is a number of alarms. */
  response?: { mean_ms: number | null; count: number; within_10_min: number | null };
  closed_share?: number | null;
}

export type ByLevel = Partial<Record<HealthLevel | 'not_current', number>>;

export interface Overview {
  now_ms: number;
  devices: { total: number; by_level: ByLevel };
  sites: {
    site: string;
    name?: Names | null;
    total: number;
    by_level: ByLevel;
    worst_severity: Severity | null;
    open_alarms: number;
  }[];
  classes: { class: string; total: number; by_level: ByLevel; open_alarms: number }[];
  agents: {
    agent: string;
    site: string;
    online: boolean;
    silent_ms: number | null;
    /** Records that wait by lane; `null` where that is not known. */
    backlog: Record<string, number | null>;
    /** How long the oldest of them has waited. */
    oldest_ms: number | null;
  }[];
  alarms: AlarmSummary;
}
