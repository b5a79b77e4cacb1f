import { expect, it } from 'vitest';
import { around, type Beside } from './around';
import type { Topology } from './types';

const node = (id: string) => ({
  id,
  asset: null,
  device: id,
  label: id,
  class: 'switch',
  health: 'working' as const,
  alarms: 0,
});
const shown = (list: Beside[]) =>
  list.map(({ node: { id }, port, theirPort }) => [port, theirPort, id].join(' '));

it('finds what a node hangs on, what hangs on it, and its neighbours with the ports of both sides', () => {
  const topology: Topology = {
    nodes: [node('switch'), node('camera'), node('router'), node('other')],
    edges: [
      { from: 'router', to: 'switch', kind: 'parent' },
      { from: 'router', to: 'switch', kind: 'line', ports: null },
      { from: 'switch', to: 'camera', kind: 'parent' },
      { from: 'other', to: 'switch', kind: 'neighbour', ports: ['1', '24'] },
      { from: 'switch', to: 'other', kind: 'neighbour', ports: ['24', '1'] },
      { from: 'switch', to: 'other', kind: 'neighbour', ports: ['23', '2'] },
      { from: 'router', to: 'camera', kind: 'neighbour', ports: ['', ''] },
      { from: 'switch', to: 'gone', kind: 'parent' },
    ],
  };
  const found = around(topology, 'switch');
  expect(shown(found.parents)).toEqual(['  router']);
  expect(shown(found.children)).toEqual(['  camera']);
  expect(shown(found.neighbours)).toEqual(['24 1 other', '23 2 other']);
  expect(around(topology, undefined)).toEqual({ parents: [], children: [], neighbours: [] });
});
