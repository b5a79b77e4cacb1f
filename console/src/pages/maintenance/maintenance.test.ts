import { describe, expect, it } from 'vitest';
import { timeText } from '../../ui/time';
import {
  type Draft,
  isOpenAt,
  momentOf,
  type Repeat,
  requestOf,
  stateOf,
  type Window,
  wrongWith,
} from './types';

const local = (ms: number) => timeText(ms, 'Asia/Shanghai');
const at = (text: string) => Date.parse(`${text}+08:00`);

function window(given: Partial<Window>): Window {
  return {
    id: 1,
    site: 'north',
    from: '',
    to: '',
    from_ms: at('2026-11-01T00:00'),
    to_ms: at('2026-12-01T00:00'),
    reason: 'belts',
    created_by: 'wang',
    created_ms: 0,
    cancelled: false,
    ...given,
  } as Window;
}

describe('a window', () => {
  it('stands as its times say', () => {
    const once = window({});
    expect(stateOf(once, at('2026-10-31T23:59'), local)).toBe('next');
    expect(stateOf(once, at('2026-11-02T00:00'), local)).toBe('now');
    expect(stateOf(once, at('2026-12-01T00:00'), local)).toBe('over');
    expect(stateOf(window({ ended_ms: at('2026-11-02T00:00') }), at('2026-11-03T00:00'), local)).toBe('over');
    // Ended by a clock that is ahead of this one: over all the same.
    expect(stateOf(window({ ended_ms: at('2026-11-02T00:01') }), at('2026-11-02T00:00'), local)).toBe('over');
    expect(stateOf(window({ cancelled: true }), at('2026-11-02T00:00'), local)).toBe('cancelled');
  });

  it('that repeats is open in its hours only, in the zone of the site', () => {
    const repeat: Repeat = { kind: 'weekly', days: [1], from: '22:00', to: '02:00' };
    const nightly = window({ repeat });
    // 23 November 2026 is a Monday.
    expect(stateOf(nightly, at('2026-11-23T21:59'), local)).toBe('next');
    expect(stateOf(nightly, at('2026-11-23T22:00'), local)).toBe('now');
    expect(stateOf(nightly, at('2026-11-24T01:59'), local)).toBe('now');
    expect(stateOf(nightly, at('2026-11-24T02:00'), local)).toBe('next');
    expect(stateOf(nightly, at('2026-11-24T22:00'), local)).toBe('next');
  });

  it('by days of the month asks for the day', () => {
    const repeat: Repeat = { kind: 'monthly', days: [1, 15], from: '08:00', to: '10:00' };
    const [day, before] = [momentOf('2026-11-15 09:00'), momentOf('2026-11-14 09:00')];
    expect(isOpenAt(repeat, day, before)).toBe(true);
    expect(isOpenAt(repeat, before, before)).toBe(false);
  });
});

describe('a draft', () => {
  const draft: Draft = {
    scope: 'class',
    site: 'north',
    area: '',
    class: 'ups',
    device: '',
    isRepeating: false,
    from_ms: 1,
    to_ms: 2,
    repeat: { kind: 'daily', from: '22:00', to: '23:00' },
    reason: ' batteries ',
  };

  it('is sent with what it is about only', () => {
    expect(wrongWith(draft)).toEqual([]);
    expect(requestOf(draft)).toEqual({
      site: 'north',
      class: 'ups',
      from: '1',
      to: '2',
      reason: 'batteries',
    });
    const device = { ...draft, scope: 'device' as const, device: 'd-1', isRepeating: true };
    expect(requestOf(device)).toMatchObject({
      device: 'd-1',
      repeat: { kind: 'daily', from: '22:00', to: '23:00' },
    });
    expect(requestOf(device)).not.toHaveProperty('site');
  });

  it('says what it lacks', () => {
    const bare: Draft = { ...draft, site: '', class: '', to_ms: null, reason: ' ', isRepeating: true };
    bare.repeat = { kind: 'weekly', from: '', to: '23:00', days: [] };
    expect(wrongWith(bare)).toEqual(['site', 'class', 'times', 'clock', 'days', 'reason']);
  });
});
