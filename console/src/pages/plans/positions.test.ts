import { expect, test } from 'vitest';
import { clampShare, closest, move, place, remove } from './positions';

test('a position is added once, moved, kept on the plan and taken away', () => {
  const one = place([], { asset: 't-1', x: 0.5, y: 0.5 });
  const two = place(one, { asset: 't-2', x: 0.1, y: 0.1 });
  const again = place(two, { asset: 't-1', x: 0.6, y: 0.7 });
  expect(again).toEqual([
    { asset: 't-1', x: 0.6, y: 0.7 },
    { asset: 't-2', x: 0.1, y: 0.1 },
  ]);
  expect(clampShare(-3)).toBe(0);
  expect(clampShare(1.2)).toBe(1);
  const edge = { asset: 't-3', x: 1, y: 0.001 };
  expect(move([edge], edge, 'ArrowRight')).toEqual([edge]);
  expect(move([edge], edge, 'ArrowUp')?.[0]?.y).toBe(0);
  expect(move([edge], edge, 'x')).toBeNull();
  expect(remove(again, 't-1')).toHaveLength(1);
});

test('the shortest way between two positions', () => {
  expect(closest([], 100, 100)).toBe(Number.POSITIVE_INFINITY);
  const positions = [
    { asset: 'a', x: 0, y: 0 },
    { asset: 'b', x: 0.3, y: 0.8 },
    { asset: 'c', x: 0.3, y: 0.4 },
  ];
  expect(closest(positions, 100, 50)).toBeCloseTo(20);
});
