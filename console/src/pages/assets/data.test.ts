import { expect, it } from 'vitest';
import type { Health } from '../../api/types';
import { isCurrent } from './data';

it('takes whether a level holds now from the node, or from the health that the stream told since', () => {
  const told = (current: boolean) => ({ level: 'working', current }) as Health;
  expect(isCurrent({ health: 'working', current: false })).toBe(false);
  expect(isCurrent({ health: 'working', current: true })).toBe(true);
  expect(isCurrent({ health: told(true), current: false })).toBe(true);
  expect(isCurrent({ health: told(false), current: true })).toBe(false);
  expect(isCurrent({ health: null, current: null })).toBe(true);
});
