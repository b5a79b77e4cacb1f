import { describe, expect, it } from 'vitest';
import { clockOf, dateOf, momentOf } from './date-text';

describe('what people type', () => {
  it('is a day only if there is such a day', () => {
    expect(dateOf('2026-11-22')).toBe('2026-11-22');
    expect(dateOf(' 2026/2/3 ')).toBe('2026-02-03');
    expect(dateOf('2028-02-29')).toBe('2028-02-29');
    for (const wrong of ['', '5', '2026', '2026-11', '2027-02-29', '2026-13-01', '22.11.2026', 'today']) {
      expect(dateOf(wrong), wrong).toBeNull();
    }
  });

  it('is a time of day with or without a colon', () => {
    expect(clockOf('8:05')).toBe('08:05');
    expect(clockOf('2200')).toBe('22:00');
    expect(clockOf('23：59')).toBe('23:59');
    for (const wrong of ['', '24:00', '8:5', '8', '12:60', '123', 'noon'])
      expect(clockOf(wrong), wrong).toBeNull();
  });

  it('is a moment when both are there', () => {
    expect(momentOf('2026-11-22 18:03')).toBe('2026-11-22 18:03:00');
    expect(momentOf('2026-11-22T08:03:59')).toBe('2026-11-22 08:03:00');
    for (const wrong of ['2026-11-22', '18:03', '2026-11-22 25:00', '2026-11-22 18:03 x']) {
      expect(momentOf(wrong), wrong).toBeNull();
    }
  });
});
