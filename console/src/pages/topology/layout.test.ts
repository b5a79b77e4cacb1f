import { expect, test } from 'vitest';
import type { HealthLevel } from '../../api/types';
import type { Topology, TopologyNode } from '../assets/types';
import { layout } from './layout';

function node(id: string, health: HealthLevel = 'working'): TopologyNode {
  return { id, asset: null, device: id, label: id, class: 'switch', health, alarms: 0 };
}
function parent(from: string, to: string) {
  return { from, to, kind: 'parent' as const };
}

test('what hangs on a dead switch is explained by it, however deep', () => {
  const topology: Topology = {
    nodes: [node('core', 'unreachable'), node('access'), node('gate', 'unreachable'), node('other')],
    edges: [parent('core', 'access'), parent('access', 'gate')],
  };
  const { placed } = layout(topology);
  expect(placed.get('gate')?.hiddenBy).toBe('core');
  expect(placed.get('access')?.hiddenBy).toBe('core');
  expect(placed.get('core')?.hiddenBy).toBeNull();
  expect(placed.get('other')?.hiddenBy).toBeNull();
  expect(placed.get('core')?.below).toBe(2);
  expect(placed.get('access')?.isBox).toBe(true);
  expect(placed.get('gate')?.isBox).toBe(false);
});

test('nothing covers anything else, in a site of a thousand', () => {
  const nodes = [node('core')];
  const edges = [];
  for (let at = 0; at < 20; at += 1) {
    nodes.push(node(`switch-${at}`));
    edges.push(parent('core', `switch-${at}`));
    for (let leaf = 0; leaf < 50; leaf += 1) {
      nodes.push(node(`camera-${at}-${leaf}`));
      edges.push(parent(`switch-${at}`, `camera-${at}-${leaf}`));
    }
  }
  const { placed, width, height } = layout({ nodes, edges });
  expect(placed.size).toBe(nodes.length);
  const spots = new Set([...placed.values()].map(({ x, y }) => `${x} ${y}`));
  expect(spots.size).toBe(nodes.length);
  for (const { x, y } of placed.values()) expect(x >= 0 && y >= 0 && x < width && y < height).toBe(true);
});

test('a ring, an unknown parent and an empty site end', () => {
  const ring: Topology = {
    nodes: [node('a'), node('b'), node('c')],
    edges: [parent('a', 'b'), parent('b', 'a'), parent('nobody', 'c')],
  };
  expect(layout(ring).placed.size).toBe(3);
  expect(layout({ nodes: [], edges: [] }).placed.size).toBe(0);
});
