import { describe, expect, it } from 'vitest';
import { align, incompleteOf, type PointSeries, resolutionFor, timeInState, toBands, toLine } from './series';

const HOUR = 3_600_000;
const raw = (times: number[], values: (number | string | null)[]): PointSeries => ({
  point: 'p',
  unit: 'V',
  levels: ['raw'],
  incomplete: [],
  times,
  values,
  flaws: [],
});

describe('resolution', () => {
  it('is raw for short ranges and never much finer than the screen', () => {
    expect(resolutionFor(HOUR, 900)).toBe('raw');
    expect(resolutionFor(6 * HOUR, 900)).toBe('60s');
    expect(resolutionFor(24 * HOUR, 900)).toBe('300s');
    expect(resolutionFor(30 * 24 * HOUR, 900)).toBe('21600s');
    expect(resolutionFor(24 * HOUR, 300)).toBe('900s');
    expect(resolutionFor(3000 * 24 * HOUR, 900)).toBe('604800s');
  });
});

describe('what is missing', () => {
  it('is told once for all points, by time', () => {
    const of = (from_ms: number, to_ms: number, reason = 'damaged') => ({ from_ms, to_ms, reason });
    const one = { ...raw([], []), incomplete: [of(10, 20), of(30, 40, 'filling')] };
    const other = { ...raw([], []), incomplete: [of(15, 25), of(50, 60)] };
    expect(incompleteOf([one, other])).toEqual([of(10, 25), of(30, 40, 'filling'), of(50, 60)]);
    expect(one.incomplete[0]).toEqual(of(10, 20));
    expect(incompleteOf([])).toEqual([]);
  });
});

describe('lines', () => {
  it('break where nothing was read and where it was bad', () => {
    const line = toLine(raw([0, 1000, 2000, 2000 + HOUR], [1, null, 3, 4]), 'raw');
    expect(line?.times).toEqual([0, 1000, 2000, 2001, 2000 + HOUR]);
    expect(line?.values).toEqual([1, null, 3, null, 4]);
    expect(line?.stepped).toBe(true);
    expect(toLine(raw([0], ['open']), 'raw')).toBeNull();
  });

  it('of windows have a mean between least and greatest', () => {
    const windows: PointSeries = {
      point: 'p',
      unit: 'V',
      levels: ['1m'],
      incomplete: [],
      times: [0, 60_000, 600_000],
      count: [2, 1, 1],
      min: [1, 5, 7],
      max: [3, 5, 7],
      sum: [4, 5, 7],
      first: [1, 5, 7],
      last: [3, 5, 7],
    };
    const line = toLine(windows, '60');
    expect(line?.values).toEqual([2, 5, null, 7]);
    expect(line?.min).toEqual([1, 5, null, 7]);
    expect(line?.times).toEqual([0, 60_000, 60_001, 600_000]);
  });

  it('of several points share one axis without drawing over each other', () => {
    const a = { times: [0, 2], values: [1, null], stepped: true };
    const b = { times: [1], values: [5], min: [4], max: [6], stepped: false };
    const { times, columns } = align([a, b]);
    expect(times).toEqual([0, 1, 2]);
    expect(columns).toEqual([
      [1, undefined, null],
      [undefined, 5, undefined],
      [undefined, 4, undefined],
      [undefined, 6, undefined],
    ]);
  });
});

describe('states', () => {
  it('last until the next reading, but no longer than they were promised', () => {
    const bands = toBands(raw([0, 60_000, 120_000], ['open', 'open', 'closed']), 'raw', 0, 3 * HOUR);
    expect(bands).toEqual([
      { from: 0, to: 120_000, spent: [['open', 1]] },
      { from: 120_000, to: 120_000 + 15 * 60_000, spent: [['closed', 1]] },
    ]);
    expect(timeInState(bands)).toEqual([
      ['closed', 900_000],
      ['open', 120_000],
    ]);
  });

  it('of windows are told by their shares', () => {
    const windows: PointSeries = {
      point: 'p',
      unit: '',
      levels: ['1h'],
      incomplete: [],
      times: [0, HOUR],
      spent_ms: [{ on: HOUR * 0.75, off: HOUR * 0.25 }, { on: HOUR }],
      last: ['on', 'on'],
    };
    const bands = toBands(windows, '3600', 0, 2 * HOUR);
    expect(bands[0]?.spent).toEqual([
      ['on', 0.75],
      ['off', 0.25],
    ]);
    expect(timeInState(bands)).toEqual([
      ['on', 1.75 * HOUR],
      ['off', 0.25 * HOUR],
    ]);
  });

  it('without a usable reading are called so', () => {
    expect(toBands(raw([0], [null]), 'raw', 0, 1000)[0]?.spent).toEqual([['(bad)', 1]]);
  });
});
