/** What the API tells of assets, areas and how they hang together. */
import type { Health, HealthLevel } from '../../api/types';

export interface Licence {
  name: string;
  until: string | null;
}
export interface Document {
  name: string;
  url: string;
}
export interface Neighbour {
  asset: string;
  port: string;
  their_port: string;
}

/** A thing that somebody owns and looks after. Dates are `YYYY-MM-DD`. */
export interface Asset {
  id: string;
  site: string;
  area: string | null;
  name: string;
  class: string;
  /** The name under which an agent knows it, or is to know it. */
  key: string | null;
  /** The profile by which an agent speaks to it. */
  profile: string;
  /** How an agent reaches it: `modbus tcp=192.0.2.10:502 # unit=1`. */
  address: string;
  interfaces: string[];
  maker: string;
  model: string;
  serial: string;
  rack: string;
  rack_unit: number | null;
  height_units: number | null;
  installed: string | null;
  warranty_until: string | null;
  licences: Licence[];
  owner: string;
  documents: Document[];
  parent: string | null;
  neighbours: Neighbour[];
  device: string | null;
  note: string;
  tags: string[];
  revision: number;
  created_ms?: number;
  changed_ms?: number;
}

export interface Position {
  asset: string;
  x: number;
  y: number;
}

export interface TopologyNode {
  id: string;
  asset: string | null;
  device: string | null;
  label: string;
  class: string;
  health: Health | HealthLevel | null;
  /** Whether the health is how it is now; nothing for an asset without a device. */
  current?: boolean | null;
  alarms: number;
}

export type EdgeKind = 'parent' | 'line' | 'neighbour';
export interface TopologyEdge {
  /** The parent, of an edge of that kind. */
  from: string;
  to: string;
  kind: EdgeKind;
  /** The ports of neighbours, of `from` and of `to`. */
  ports?: [string, string] | null;
}

export interface Topology {
  nodes: TopologyNode[];
  edges: TopologyEdge[];
}

export interface ImportError {
  row: number;
  column: string;
  text: { zh: string; en: string };
}
export interface ImportPreview {
  rows: number;
  creates: number;
  updates: number;
  unchanged: number;
  errors: ImportError[];
  preview: {
    row: number;
    what: 'create' | 'update' | 'unchanged';
    key: string;
    changes: { field: string; from: unknown; to: unknown }[];
  }[];
  token: string | null;
}
