import { expect, test } from 'vitest';
import { nextView } from './views';

test('the board turns round and round', () => {
  expect(nextView(['totals', 'sites', 'alarms'], 'totals', 1)).toBe('sites');
  expect(nextView(['totals', 'sites', 'alarms'], 'alarms', 1)).toBe('totals');
  expect(nextView(['totals', 'sites', 'alarms'], 'totals', -1)).toBe('alarms');
  expect(nextView(['sites'], 'classes', 1)).toBe('sites');
  expect(nextView([], 'classes', 1)).toBe('totals');
});
