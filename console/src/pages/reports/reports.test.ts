import { describe, expect, it } from 'vitest';
import { csvText } from './csv';
import { bounds, isPeriod, moved, periodOf } from './period';
import { sharesOf } from './types';

describe('periods', () => {
  it('step over the ends of months and years', () => {
    expect(moved('day', '2026-03-01', -1)).toBe('2026-02-28');
    expect(moved('day', '2024-02-28', 1)).toBe('2024-02-29');
    expect(moved('month', '2026-12', 1)).toBe('2027-01');
    expect(moved('year', '2026', -1)).toBe('2025');
    expect(bounds('month', '2026-12')).toEqual(['2026-12-01 00:00:00', '2027-01-01 00:00:00']);
    expect(bounds('year', '2026')).toEqual(['2026-01-01 00:00:00', '2027-01-01 00:00:00']);
    expect(bounds('day', '2026-11-30')).toEqual(['2026-11-30 00:00:00', '2026-12-01 00:00:00']);
  });

  it('are named as the calendar does', () => {
    expect(periodOf('month', '2026-11-22 18:00:00')).toBe('2026-11');
    expect(isPeriod('day', '2026-02-30')).toBe(false);
    expect(isPeriod('month', '2026-13')).toBe(false);
    expect(isPeriod('month', '2026-11')).toBe(true);
    expect(isPeriod('year', 'soon')).toBe(false);
    expect(isPeriod('day', '2026-11')).toBe(false);
  });
});

describe('a CSV file', () => {
  it('quotes what needs it, and lets no text become a formula', () => {
    const rows = [
      ['a,b', 'say "so"', null],
      ['=1+1', -5, '北楼'],
    ];
    expect(csvText(rows)).toBe('\uFEFF"a,b","say ""so""",\r\n\'=1+1,-5,北楼\r\n');
  });
});

describe('the parts of a time', () => {
  it('are shares of all of it, and nothing is made of nothing', () => {
    const parts = {
      working_ms: 6,
      answering_ms: 1,
      down_ms: 1,
      not_observed_ms: 2,
      maintenance_ms: 0,
      disabled_ms: 0,
    };
    expect(sharesOf(parts).map(({ name, share }) => [name, share])).toEqual([
      ['working', 0.6],
      ['answering', 0.1],
      ['down', 0.1],
      ['not_observed', 0.2],
    ]);
    const none = {
      working_ms: 0,
      answering_ms: 0,
      down_ms: 0,
      not_observed_ms: 0,
      maintenance_ms: 0,
      disabled_ms: 0,
    };
    expect(sharesOf(none)).toEqual([]);
  });
});
