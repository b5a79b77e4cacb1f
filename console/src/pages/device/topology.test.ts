import { expect, it } from 'vitest';
import { around, type Topology } from './topology';

const node = (id: string, device: string | null) => ({
  id,
  asset: null,
  device,
  label: id,
  class: 'switch',
  health: 'working' as const,
  alarms: 0,
});

it('finds what a device hangs on, what hangs on it, and its neighbours, each once', () => {
  const topology: Topology = {
    nodes: [node('n1', 'switch'), node('n2', 'camera'), node('n3', 'router'), node('n4', null)],
    edges: [
      { from: 'n3', to: 'n1', kind: 'parent', ports: ['1', '24'] },
      { from: 'n3', to: 'n1', kind: 'line' },
      { from: 'n1', to: 'n2', kind: 'parent' },
      { from: 'n4', to: 'n1', kind: 'neighbour' },
      { from: 'n3', to: 'n2', kind: 'neighbour' },
    ],
  };
  const found = around(topology, 'switch');
  expect(found.parents.map(({ node: { id }, ports }) => [id, ports])).toEqual([['n3', '1 – 24']]);
  expect(found.children.map(({ node: { id } }) => id)).toEqual(['n2']);
  expect(found.neighbours.map(({ node: { id } }) => id)).toEqual(['n4']);
  expect(around(topology, 'nowhere')).toEqual({ parents: [], children: [], neighbours: [] });
});
