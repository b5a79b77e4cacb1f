import { expect, it } from 'vitest';
import { troubled, unobserved, worstLevel } from './standing';

const of = (by_level: Record<string, number>) => [{ by_level }];

it('says that a group works only if that is known of every device', () => {
  expect(worstLevel(of({ working: 40 }))).toBe('working');
  expect(worstLevel(of({ working: 40, maintenance: 1 }))).toBe('working');
  expect(worstLevel(of({ working: 40, not_current: 1 }))).toBe('unknown');
  expect(worstLevel(of({ not_current: 40 }))).toBe('unknown');
  expect(worstLevel([{ by_level: { working: 40 } }, { by_level: { unknown: 3 } }])).toBe('unknown');
  expect(worstLevel([])).toBe('unknown');
});

it('shows the worst that is known, whatever else is not', () => {
  expect(worstLevel(of({ working: 1, answering: 1, not_current: 9 }))).toBe('answering');
  expect(worstLevel(of({ unreachable: 1, answering: 5 }))).toBe('unreachable');
  expect(worstLevel(of({ maintenance: 2 }))).toBe('maintenance');
});

it('counts what has faults apart from what nobody observes', () => {
  const levels = { unreachable: 1, reachable: 2, answering: 3, not_current: 4, unknown: 5, working: 6 };
  expect([troubled(levels), unobserved(levels)]).toEqual([6, 9]);
  expect([troubled({}), unobserved({})]).toEqual([0, 0]);
});
