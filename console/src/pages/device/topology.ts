/** What stands around a device in the topology of its site. */
import type { Health, HealthLevel } from '../../api/types';

export interface TopologyNode {
  id: string;
  asset: string | null;
  device: string | null;
  label: string;
  class: string;
  health: Health | HealthLevel | null;
  current?: boolean | null;
  alarms: number;
}

export interface TopologyEdge {
  from: string;
  to: string;
  kind: 'parent' | 'line' | 'neighbour';
  ports?: string | string[] | null;
}

export interface Topology {
  nodes: TopologyNode[];
  edges: TopologyEdge[];
}

export interface Beside {
  node: TopologyNode;
  ports: string;
}

export interface Around {
  parents: Beside[];
  children: Beside[];
  neighbours: Beside[];
}

/** An edge leads from the parent to what hangs on it. */
export function around(topology: Topology, device: string): Around {
  const nodes = new Map(topology.nodes.map((node) => [node.id, node]));
  const own = topology.nodes.find((node) => node.device === device)?.id;
  const result: Around = { parents: [], children: [], neighbours: [] };
  if (own === undefined) return result;
  for (const edge of topology.edges) {
    if (edge.from !== own && edge.to !== own) continue;
    const node = nodes.get(edge.from === own ? edge.to : edge.from);
    if (!node) continue;
    const ports = Array.isArray(edge.ports) ? edge.ports.filter(Boolean).join(' – ') : (edge.ports ?? '');
    const list =
      edge.kind === 'neighbour' ? result.neighbours : edge.from === own ? result.children : result.parents;
    if (!list.some((known) => known.node.id === node.id)) list.push({ node, ports });
  }
  return result;
}
