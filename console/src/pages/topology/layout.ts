/**
 * Where each node of the topology is drawn.
 *
 * Whatever others hang on is a box in an indented tree; what nothing hangs on is a small cell beside the box of its
 * parent. So a site of a thousand devices is one picture, and a dead switch is seen with all that it takes along.
 */
import type { HealthLevel } from '../../api/types';
import { levelOf } from '../assets/data';
import type { Topology, TopologyEdge, TopologyNode } from '../assets/types';

export const BOX = { width: 230, height: 40 };
export const CELL = 24;
const INDENT = 34;
const GAP = 14;
const CELLS_IN_A_ROW = 24;

export interface Placed {
  node: TopologyNode;
  level: HealthLevel;
  x: number;
  y: number;
  isBox: boolean;
  parent: string | null;
  /** The dead node further up that explains why this one does not answer. */
  hiddenBy: string | null;
  /** How many hang on it, near and far. */
  below: number;
}

export interface Layout {
  placed: ReadonlyMap<string, Placed>;
  width: number;
  height: number;
  /** Edges beside those of the tree: lines and neighbours. */
  across: readonly TopologyEdge[];
}

/** Levels at which what hangs on a node cannot be reached. */
const DEAD: ReadonlySet<HealthLevel> = new Set(['unreachable']);

const WORST: readonly HealthLevel[] = [
  'unreachable',
  'reachable',
  'answering',
  'unknown',
  'maintenance',
  'disabled',
];

function byTrouble(a: TopologyNode, b: TopologyNode): number {
  const rank = (node: TopologyNode) => {
    const at = WORST.indexOf(levelOf(node));
    return at < 0 ? WORST.length : at;
  };
  return rank(a) - rank(b) || a.label.localeCompare(b.label, 'zh', { numeric: true });
}

export function layout(topology: Topology): Layout {
  const nodes = new Map(topology.nodes.map((node) => [node.id, node]));
  const parents = new Map<string, string>();
  for (const edge of topology.edges) {
    if (edge.kind === 'parent' && nodes.has(edge.from) && nodes.has(edge.to)) parents.set(edge.to, edge.from);
  }
  const children = new Map<string, TopologyNode[]>();
  const roots: TopologyNode[] = [];
  for (const node of topology.nodes) {
    const parent = parents.get(node.id);
    if (parent === undefined || isInRing(node.id, parents)) {
      parents.delete(node.id);
      roots.push(node);
    }
  }
  for (const [child, parent] of parents) {
    const node = nodes.get(child);
    if (node) children.set(parent, [...(children.get(parent) ?? []), node]);
  }

  const placed = new Map<string, Placed>();
  let y = 0;
  let width = 0;
  const cells = (
    group: TopologyNode[],
    left: number,
    parent: string | null,
    hiddenBy: string | null,
  ): number => {
    group.sort(byName).forEach((node, at) => {
      const x = left + (at % CELLS_IN_A_ROW) * CELL;
      const level = levelOf(node);
      placed.set(node.id, {
        node,
        level,
        x,
        y: y + Math.floor(at / CELLS_IN_A_ROW) * CELL,
        isBox: false,
        parent,
        hiddenBy,
        below: 0,
      });
      width = Math.max(width, x + CELL);
    });
    return Math.ceil(group.length / CELLS_IN_A_ROW) * CELL;
  };
  const visit = (
    node: TopologyNode,
    depth: number,
    parent: string | null,
    hiddenBy: string | null,
  ): number => {
    const own = children.get(node.id) ?? [];
    const level = levelOf(node);
    const explains = hiddenBy ?? (DEAD.has(level) ? node.id : null);
    const entry: Placed = {
      node,
      level,
      x: depth * INDENT,
      y,
      isBox: true,
      parent,
      hiddenBy,
      below: own.length,
    };
    placed.set(node.id, entry);
    width = Math.max(width, entry.x + BOX.width);
    const leaves = own.filter((child) => !children.has(child.id));
    const height = cells(leaves, entry.x + BOX.width + GAP, node.id, explains);
    y += Math.max(BOX.height, height) + GAP;
    for (const child of own.filter((each) => children.has(each.id)).sort(byTrouble)) {
      entry.below += visit(child, depth + 1, node.id, explains);
    }
    return entry.below;
  };
  for (const root of roots.filter((node) => children.has(node.id)).sort(byTrouble))
    visit(root, 0, null, null);
  const loose = roots.filter((node) => !children.has(node.id));
  y += cells(loose, 0, null, null);
  const across = topology.edges.filter(
    (edge) => edge.kind !== 'parent' && placed.has(edge.from) && placed.has(edge.to),
  );
  return { placed, width, height: Math.max(y, BOX.height), across };
}

function byName(a: TopologyNode, b: TopologyNode): number {
  return a.class.localeCompare(b.class) || a.label.localeCompare(b.label, 'zh', { numeric: true });
}

/** Whether somebody made a node its own ancestor; the collector refuses that, and a drawing must end anyway. */
function isInRing(id: string, parents: ReadonlyMap<string, string>): boolean {
  let at = parents.get(id);
  for (let steps = 0; at !== undefined && steps <= parents.size; steps += 1) {
    if (at === id) return true;
    at = parents.get(at);
  }
  return false;
}

/** The middle of a node. */
export function middle(entry: Placed): { x: number; y: number } {
  const size = entry.isBox ? BOX : { width: CELL, height: CELL };
  return { x: entry.x + size.width / 2, y: entry.y + size.height / 2 };
}
