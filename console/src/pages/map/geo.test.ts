import { expect, test } from 'vitest';
import { boxOf, cluster, metresPerUnit, project, roundLength, unproject } from './geo';

test('a place survives the way to the drawing and back', () => {
  for (const [longitude, latitude] of [
    [113.529, 22.169],
    [-179.9, -60],
    [0, 0],
  ] as const) {
    const back = unproject(project(longitude, latitude));
    expect(back.longitude).toBeCloseTo(longitude, 6);
    expect(back.latitude).toBeCloseTo(latitude, 6);
  }
  // From Hengqin Bridge one hundredth of a degree north is 1,112 m.
  const [from, to] = [project(113.529, 22.169), project(113.529, 22.179)];
  expect(Math.abs(to.y - from.y) * metresPerUnit(22.174)).toBeCloseTo(1113, -1);
});

test('places that would cover each other are one, and apart again when zoomed in', () => {
  const places = [
    { id: 'a', x: 0, y: 0 },
    { id: 'b', x: 10, y: 0 },
    { id: 'c', x: 500, y: 0 },
  ];
  expect(cluster(places, 1, 40).map((each) => each.ids)).toEqual([['a', 'b'], ['c']]);
  expect(cluster(places, 10, 40)).toHaveLength(3);
});

test('lengths are round and boxes have room', () => {
  expect(roundLength(740)).toBe(500);
  expect(roundLength(0.0213)).toBeCloseTo(0.02);
  const box = boxOf([{ x: 5, y: 5 }], 10);
  expect(box).toEqual({ x: 0, y: 0, width: 10, height: 10 });
});
