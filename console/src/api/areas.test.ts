import { expect, it } from 'vitest';
import { allPaths } from './areas';
import type { Area } from './types';

const area = (...path: string[]): Area => ({
  id: path.join('-'),
  site: 's',
  parent: null,
  name: path.at(-1) ?? '',
  order: 0,
  plan: false,
  path,
});

it('lists each area once, with those above what devices tell, and 2 before 10', () => {
  const areas = [area('Hall'), area('Hall', 'Lane 10')];
  const told = ['Hall / Lane 2', 'Hall / Lane 10', 'Yard / Gate', ''];
  expect(allPaths(areas, told, 'en')).toEqual([
    'Hall',
    'Hall / Lane 2',
    'Hall / Lane 10',
    'Yard',
    'Yard / Gate',
  ]);
  expect(allPaths([], [], 'zh')).toEqual([]);
});
