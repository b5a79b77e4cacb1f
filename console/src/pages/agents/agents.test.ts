import { describe, expect, it } from 'vitest';
import { type Lane, sumOf } from './types';

const lane = (given: Partial<Lane>): Lane => ({
  lane: 'events',
  waiting: 0,
  age_seconds: 0,
  lost: 0,
  ...given,
});

describe('what waits in an agent', () => {
  it('is the sum of its lanes, and the oldest of what really waits', () => {
    const lanes = [lane({ waiting: 3, age_seconds: 60 }), lane({ waiting: 0, age_seconds: 900, lost: 2 })];
    expect(sumOf(lanes)).toEqual({ waiting: 3, oldest_ms: 60_000, lost: 2 });
  });

  it('is not made up where nobody knows', () => {
    expect(sumOf([lane({ waiting: null, age_seconds: null, lost: null })])).toEqual({
      waiting: null,
      oldest_ms: null,
      lost: null,
    });
    expect(sumOf([])).toEqual({ waiting: null, oldest_ms: null, lost: null });
  });
});
