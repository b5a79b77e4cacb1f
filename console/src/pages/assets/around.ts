/** What stands around one node of the topology. */
import type { Topology, TopologyNode } from './types';

export interface Beside {
  node: TopologyNode;
  /** The port at this side, if somebody wrote it down. */
  port: string;
  /** The port at the side of `node`. */
  theirPort: string;
}

/** The groups, in the order in which they are shown. */
export const AROUND = ['parents', 'neighbours', 'children'] as const;
export type Around = Record<(typeof AROUND)[number], Beside[]>;

/** Whatever an edge connects `own` to, each once. An edge leads from the parent to what hangs on it. */
export function around(topology: Topology, own: string | undefined): Around {
  const nodes = new Map(topology.nodes.map((node) => [node.id, node]));
  const result: Around = { parents: [], neighbours: [], children: [] };
  for (const edge of topology.edges) {
    if (edge.from !== own && edge.to !== own) continue;
    const isFrom = edge.from === own;
    const node = nodes.get(isFrom ? edge.to : edge.from);
    if (!node) continue;
    const [atFrom = '', atTo = ''] = edge.ports ?? [];
    const beside = { node, port: isFrom ? atFrom : atTo, theirPort: isFrom ? atTo : atFrom };
    const list = edge.kind === 'neighbour' ? result.neighbours : isFrom ? result.children : result.parents;
    const isKnown = (known: Beside) =>
      known.node.id === node.id && known.port === beside.port && known.theirPort === beside.theirPort;
    if (!list.some(isKnown)) list.push(beside);
  }
  return result;
}
