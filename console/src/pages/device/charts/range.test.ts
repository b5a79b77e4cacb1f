import { describe, expect, it } from 'vitest';
import { moved, rangeOf, widened } from './range';

const NOW = 1_000_000_000;

describe('the range of charts', () => {
  it('follows the present until somebody zooms', () => {
    expect(rangeOf('1h', null, null, NOW)).toEqual({ from: NOW - 3_600_000, to: NOW, follows: true });
    expect(rangeOf('1h', 5, 900_000, NOW)).toEqual({ from: 5, to: 900_000, follows: false });
    expect(rangeOf('1h', 900_000, 5, NOW).follows).toBe(true);
  });

  it('widens and moves, but never beyond the present', () => {
    expect(widened({ from: 400_000, to: 600_000 }, NOW)).toEqual({ from: 300_000, to: 700_000 });
    expect(widened({ from: NOW - 100, to: NOW }, NOW)).toEqual({ from: NOW - 200, to: NOW });
    expect(moved({ from: 400_000, to: 600_000 }, -1, NOW)).toEqual({ from: 300_000, to: 500_000 });
    expect(moved({ from: NOW - 100, to: NOW - 20 }, 1, NOW)).toEqual({ from: NOW - 80, to: NOW });
  });
});
