import { describe, expect, it } from 'vitest';
import { Ear, isLoud } from '../../app/ear';
import { readParams, writeParams } from '../../app/params';
import { actionOf, KEYS, moved } from './keys';
import { compare, merge } from './order';
import { clockText, PROMISE_MS, responseClock } from './promise';
import { type Row, rowsOf } from './rows';
import { sample } from './sample';
import { DESK, type DeskSearch, matches, narrowing, toQuery } from './search';

/** An address of the desk with these parameters. */
function at(search: Record<string, string> = {}): DeskSearch {
  return { ...readParams(DESK, search), site: search.site ?? null };
}

describe('the address', () => {
  it('leaves out what is the default and what cannot be meant', () => {
    expect(at({ view: 'sideways', min_severity: 'awful', from: 'soon' })).toEqual(at());
    expect(writeParams(DESK, {}, { view: 'open', q: '', from: null })).toEqual({});
  });

  it('says what narrows the list down', () => {
    const params = readParams(DESK, {
      view: 'shelved',
      group: 'site',
      acknowledged: 'false',
      q: '007',
      from: '5',
    });
    expect(narrowing(params)).toEqual(['acknowledged', 'q', 'from']);
    expect(params).toMatchObject({ q: '007', from: 5 });
  });

  it('asks for hidden alarms only where they are shown', () => {
    const open = {
      state: 'open',
      hidden: 'false',
      shelved: 'false',
      maintenance: 'false',
      order: 'severity',
    };
    expect(toQuery(at())).toMatchObject(open);
    expect(toQuery(at({ group: 'parent' })).hidden).toBe('all');
    expect(toQuery(at({ view: 'closed', from: '7' }))).toMatchObject({
      state: 'closed',
      hidden: 'all',
      from: 7,
    });
    expect(toQuery(at({ view: 'shelved' }))).toMatchObject({ shelved: 'true' });
  });
});

describe('what belongs into the list', () => {
  it('follows the view', () => {
    const shelved = sample({ shelved_until_ms: 9 });
    expect(matches(shelved, at(), 'me')).toBe(false);
    expect(matches(shelved, at({ view: 'shelved' }), 'me')).toBe(true);
    const hidden = sample({ hidden_by: 'a-1' });
    expect(matches(hidden, at(), 'me')).toBe(false);
    expect(matches(hidden, at({ group: 'parent' }), 'me')).toBe(true);
    expect(matches(sample({ state: 'closed' }), at({ view: 'closed' }), 'me')).toBe(true);
    expect(matches(sample({ maintenance: true }), at(), 'me')).toBe(false);
  });

  it('follows what narrows it down', () => {
    const alarm = sample({ severity: 'major', assigned_to: 'u-1' });
    expect(matches(alarm, at({ min_severity: 'warning', assigned: 'me' }), 'u-1')).toBe(true);
    expect(matches(alarm, at({ min_severity: 'critical' }), 'u-1')).toBe(false);
    expect(matches(alarm, at({ assigned: 'none' }), 'u-1')).toBe(false);
    expect(matches(alarm, at({ acknowledged: 'true' }), 'u-1')).toBe(false);
    expect(matches(alarm, at({ q: 'fan' }), 'u-1')).toBeNull();
    expect(matches(alarm, at({ q: 'fan', site: 'south' }), 'u-1')).toBe(false);
  });
});

describe('live changes', () => {
  it('replace, enter and leave, and an old change never wins', () => {
    const [a, b] = [sample({ change: 10 }), sample({ change: 11 })];
    const c = sample({ severity: 'critical' });
    const belongs = (alarm: { state: string }) => alarm.state !== 'closed';
    const acknowledged = { ...a, change: 12, acknowledged_ms: 5 };
    const merged = merge(
      [a, b],
      [acknowledged, c, { ...b, change: 13, state: 'closed' }],
      'severity',
      belongs,
    );
    expect(merged).toEqual({ alarms: [c, acknowledged], unsure: false });
    expect(merge([acknowledged], [a], 'severity', belongs).alarms).toEqual([acknowledged]);
    expect(merge([], [a], 'severity', () => null)).toEqual({ alarms: [], unsure: true });
  });

  it('are put in order: worst, then waiting, then newest', () => {
    const done = sample({ acknowledged_ms: 1, last_raised_ms: 9 });
    const [old, young] = [sample({ last_raised_ms: 1 }), sample({ last_raised_ms: 2 })];
    const critical = sample({ severity: 'critical', last_raised_ms: 0 });
    expect([done, old, critical, young].sort(compare('severity'))).toEqual([critical, young, old, done]);
    expect([old, young].sort(compare('newest'))).toEqual([young, old]);
    expect([young, old].sort(compare('oldest'))).toEqual([old, young]);
  });
});

describe('rows', () => {
  const nothing = { folded: new Set<string>(), unfolded: new Map() };
  const shape = (rows: Row[]) =>
    rows.map((row) =>
      row.kind === 'alarm' ? `${row.alarm.id}@${row.depth}` : row.kind === 'group' ? row.value : row.note,
    );

  it('of a group come below it, worst group first', () => {
    const north = [sample({ site: 'north' }), sample({ site: 'north', acknowledged_ms: 1 })];
    const south = sample({ site: 'south', severity: 'critical' });
    const rows = rowsOf([...north, south], { ...nothing, group: 'site', order: 'severity' });
    expect(shape(rows)).toEqual([
      'south',
      `${south.id}@0`,
      'north',
      `${north[0]?.id}@0`,
      `${north[1]?.id}@0`,
    ]);
    expect(rows[2]).toMatchObject({
      count: 2,
      unacknowledged: 1,
      worst: 'warning',
      members: north.map((a) => a.id),
    });
    const folded = new Set(['site:north']);
    expect(
      shape(rowsOf([...north, south], { ...nothing, folded, group: 'site', order: 'severity' })),
    ).toHaveLength(3);
  });

  it('of hidden alarms unfold below the one that explains them, and say how many are not shown', () => {
    const parent = sample({ hides: 3, severity: 'major' });
    const child = sample({ hidden_by: parent.id });
    const layout = (unfolded: 'loading' | (typeof child)[]) => {
      return {
        ...nothing,
        unfolded: new Map([[parent.id, unfolded]]),
        group: 'none',
        order: 'newest',
      } as const;
    };
    expect(shape(rowsOf([parent], layout('loading')))).toEqual([`${parent.id}@0`, 'loading']);
    const rows = rowsOf([parent], layout([child]));
    expect(shape(rows)).toEqual([`${parent.id}@0`, `${child.id}@1`, 'more']);
    expect(rows[2]).toMatchObject({ count: 2 });
  });

  it('by parent put the explaining alarm first', () => {
    const parent = sample({ hides: 1, severity: 'warning' });
    const child = sample({ hidden_by: parent.id, severity: 'critical' });
    const alone = sample();
    const rows = rowsOf([child, parent, alone], { ...nothing, group: 'parent', order: 'severity' });
    expect(shape(rows)).toEqual([parent.id, `${parent.id}@0`, `${child.id}@1`, '', `${alone.id}@0`]);
  });
});

describe('the promise', () => {
  it('runs until somebody answers', () => {
    const alarm = sample({ raised_ms: 0 });
    expect(responseClock(alarm, 60_000)).toEqual({ state: 'running', elapsed_ms: 60_000 });
    expect(responseClock(alarm, PROMISE_MS - 1).state).toBe('late-soon');
    expect(responseClock(alarm, PROMISE_MS + 1).state).toBe('late');
    const answered = { ...alarm, acknowledged_ms: 5_000, response_ms: 5_000 };
    expect(responseClock(answered, 1e9)).toEqual({ state: 'kept', elapsed_ms: 5_000 });
    expect(responseClock({ ...answered, response_ms: PROMISE_MS + 1 }, 1e9).state).toBe('broken');
    expect(responseClock({ ...alarm, shelved_until_ms: 1e9 }, 1e8).state).toBe('none');
  });

  it('is short to read', () => {
    expect([0, 247_000, 3_753_000, 86_400_000].map(clockText)).toEqual(['0:00', '4:07', '1:02:33', null]);
  });
});

describe('the sound', () => {
  const now = 1_000_000;

  it('is for what nobody looked at', () => {
    expect(isLoud(sample({ severity: 'major' }), now)).toBe(true);
    expect(isLoud(sample({ severity: 'warning' }), now)).toBe(false);
    for (const quiet of [
      { hidden_by: 'a' },
      { shelved_until_ms: now + 1 },
      { maintenance: true },
      { acknowledged_ms: 1 },
    ]) {
      expect(isLoud(sample({ severity: 'critical', ...quiet }), now)).toBe(false);
    }
  });

  it('comes once for each raising, and not for what is told again later', () => {
    const ear = new Ear();
    const alarm = sample({ severity: 'critical' });
    expect(ear.listen([alarm], now)).toBe('critical');
    expect(ear.listen([{ ...alarm, comments: 1 }], now)).toBeNull();
    expect(ear.listen([{ ...alarm, last_raised_ms: alarm.last_raised_ms + 1 }], now)).toBe('critical');
    expect(
      ear.listen([{ ...alarm, last_raised_ms: alarm.last_raised_ms + 2, flapping: true }], now),
    ).toBeNull();
    expect(ear.listen([sample({ severity: 'major' }), sample()], now)).toBe('major');
    expect(ear.listen([sample({ severity: 'critical' })], now + 600_000)).toBeNull();
  });
});

describe('keys', () => {
  const press = (key: string, more = {}) => ({
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    isTaken: false,
    ...more,
  });

  it('mean one thing each', () => {
    const all = KEYS.flatMap(({ keys }) => keys);
    expect(new Set(all).size).toBe(all.length);
    expect(actionOf(press('a'))).toBe('acknowledge');
    expect(actionOf(press('a', { ctrlKey: true }))).toBeNull();
    expect(actionOf(press('a', { isTaken: true }))).toBeNull();
    expect(actionOf(press('q'))).toBeNull();
  });

  it('keep the focus inside the list', () => {
    expect(moved('next', -1, 3)).toBe(0);
    expect(moved('next', 2, 3)).toBe(2);
    expect(moved('previous', 0, 3)).toBe(0);
    expect(moved('last', 0, 3)).toBe(2);
    expect(moved('next', 0, 0)).toBe(-1);
  });
});
