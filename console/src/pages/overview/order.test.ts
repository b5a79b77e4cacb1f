import { describe, expect, it } from 'vitest';
import type { Alarm } from '../../api/types';
import { needy, segments, worstAgents, worstClasses, worstSites } from './order';

const site = (name: string, unreachable: number, worst: 'critical' | 'info' | null, total = 100) => ({
  site: name,
  total,
  by_level: { unreachable, working: total - unreachable },
  worst_severity: worst,
  open_alarms: unreachable,
});

describe('worst first', () => {
  it('puts a critical alarm before many small ones, then the larger share', () => {
    const sites = [
      site('calm', 0, null),
      site('many', 50, 'info'),
      site('critical', 1, 'critical'),
      site('few', 5, 'info'),
    ];
    expect(worstSites(sites).map((each) => each.site)).toEqual(['critical', 'many', 'few', 'calm']);
  });

  it('puts classes with devices out of service first', () => {
    const of = (name: string, by_level: Record<string, number>) => ({
      class: name,
      total: 9,
      by_level,
      open_alarms: 0,
    });
    const classes = [of('a', { answering: 5 }), of('b', { unreachable: 1 }), of('c', {})];
    expect(worstClasses(classes).map((each) => each.class)).toEqual(['b', 'a', 'c']);
  });

  it('puts silent agents first, then full ones', () => {
    const of = (agent: string, online: boolean, readings: number) => ({
      agent,
      site: 's',
      online,
      backlog: { readings },
      silent_ms: null,
      oldest_ms: null,
    });
    const agents = [of('a', true, 1), of('b', true, 900), of('c', false, 0)];
    expect(worstAgents(agents).map((each) => each.agent)).toEqual(['c', 'b', 'a']);
  });
});

it('what needs attention stands before what is over, then by severity, then what nobody saw', () => {
  const of = (id: string, severity: string, state: string, seen: number | null) =>
    ({ id, severity, state, acknowledged_ms: seen, last_raised_ms: 0 }) as Alarm;
  const alarms = [
    of('over', 'critical', 'cleared', null),
    of('gone', 'critical', 'closed', null),
    of('seen', 'major', 'raised', 5),
    of('new', 'major', 'raised', null),
    of('small', 'info', 'raised', null),
  ];
  expect(needy(alarms).map(({ id }) => id)).toEqual(['new', 'seen', 'small', 'over']);
});

describe('a bar', () => {
  it('shows one device of ten thousand, and is as long as the whole', () => {
    const parts = segments({ working: 9_999, unreachable: 1 }, 10_000);
    expect(parts.map(({ level }) => level)).toEqual(['unreachable', 'working']);
    expect(parts[0]?.share).toBeGreaterThan(0.01);
    expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(segments({}, 0)).toEqual([]);
  });
});
