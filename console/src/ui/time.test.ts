import { describe, expect, it } from 'vitest';
import { bytesText, numberText, shareText, unitText, valueText } from './number';
import { duration, localMs, localText, timeText, zoneOffsetMs } from './time';

const AT = Date.parse('2026-11-22T10:03:07.500Z');

describe('times', () => {
  it('are shown in the zone of the site', () => {
    expect(timeText(AT, 'Asia/Shanghai')).toBe('2026-11-22 18:03:07');
    expect(timeText(AT, 'Europe/Lisbon', 'minute')).toBe('2026-11-22 10:03');
    expect(timeText(AT, 'Asia/Shanghai', 'date')).toBe('2026-11-22');
    expect(timeText(AT, 'Asia/Shanghai', 'short')).toBe('11-22 18:03');
    expect(timeText(AT, 'Nowhere/Nothing', 'time')).toBe('18:03:07');
  });

  it('come back from what was typed in the zone', () => {
    expect(zoneOffsetMs(AT, 'Asia/Shanghai')).toBe(8 * 3_600_000);
    expect(localMs('2026-11-22 18:03:07', 'Asia/Shanghai')).toBe(AT - 500);
    expect(localMs(localText(AT, 'America/New_York'), 'America/New_York')).toBe(AT - 500);
    expect(localMs('2026-11-22', 'Asia/Shanghai')).toBe(Date.parse('2026-11-21T16:00:00Z'));
    // An hour after the clocks went back in New York.
    expect(localMs('2026-11-01 02:30', 'America/New_York')).toBe(Date.parse('2026-11-01T07:30:00Z'));
    expect(localMs('soon', 'Asia/Shanghai')).toBeNull();
  });

  it('become ages of at most two units, cut', () => {
    expect(duration(400)).toEqual({ key: 'ms', a: 400, b: 0 });
    expect(duration(59_999)).toEqual({ key: 's', a: 59, b: 0 });
    expect(duration(90_000)).toEqual({ key: 'min_s', a: 1, b: 30 });
    expect(duration(15 * 60_000 + 5_000)).toEqual({ key: 'min', a: 15, b: 0 });
    expect(duration(2 * 3_600_000 + 61_000)).toEqual({ key: 'h_min', a: 2, b: 1 });
    expect(duration(3 * 86_400_000 + 3_600_000)).toEqual({ key: 'd_h', a: 3, b: 1 });
    expect(duration(40 * 86_400_000 + 3_600_000)).toEqual({ key: 'd', a: 40, b: 0 });
    expect(duration(-5)).toEqual({ key: 's', a: 0, b: 0 });
  });
});

describe('numbers', () => {
  it('have the decimals of their point', () => {
    expect(numberText(1234.567, 1)).toBe('1,234.6');
    expect(valueText(0, 2)).toBe('0.00');
    expect(valueText(null)).toBe('—');
    expect(valueText('open')).toBe('open');
    expect(unitText('1')).toBe('');
  });

  it('never make a share look whole that is not', () => {
    expect(shareText(0.99999)).toBe('99.99 %');
    expect(shareText(1)).toBe('100 %');
    expect(shareText(null)).toBe('—');
    expect(shareText(0.5)).toBe('50.00 %');
  });

  it('tell sizes', () => {
    expect(bytesText(12_345_678)).toBe('11.8 MiB');
    expect(bytesText(12)).toBe('12 B');
  });
});
