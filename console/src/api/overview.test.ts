import { expect, it } from 'vitest';
import { joinOverview, promptShare, type StandingAnswer } from './overview';

const counts = {
  total: 3,
  alarms: 2,
  working: 1,
  answering: 0,
  reachable: 0,
  unreachable: 1,
  maintenance: 0,
};
const all = { ...counts, disabled: 0, unknown: 0, not_current: 1 };

it('joins how devices stand with which alarms are open', () => {
  const standing: StandingAnswer = {
    now_ms: 5,
    devices: all,
    sites: [
      { id: 'quay', ...all },
      { id: 'hall', ...all },
    ],
    classes: [{ id: 'camera', ...all }],
    agents: [
      {
        id: 'a',
        site: 'quay',
        connected: false,
        silent_ms: 70_000,
        lanes: [
          { lane: 'urgent', waiting: 0, age_seconds: null },
          { lane: 'readings', waiting: 12, age_seconds: 90 },
        ],
      },
    ],
  };
  const overview = joinOverview(standing, {
    by_severity: {},
    by_site: [{ site: 'quay', open: 4, worst: 'major', unacknowledged: 1 }],
    hidden: 0,
    shelved: 0,
    maintenance: 0,
  });
  expect(overview.sites[0]).toMatchObject({ site: 'quay', worst_severity: 'major', open_alarms: 4 });
  expect(overview.sites[1]).toMatchObject({ worst_severity: null, open_alarms: 0 });
  expect(overview.devices.by_level.not_current).toBe(1);
  expect(overview.classes[0]).toMatchObject({ class: 'camera', open_alarms: 2 });
  expect(overview.agents[0]).toMatchObject({
    online: false,
    backlog: { urgent: 0, readings: 12 },
    oldest_ms: 90_000,
  });
});

it('gives the share of prompt answers, and none where nobody answered', () => {
  expect(promptShare({ mean_ms: 1, count: 16, within_10_min: 12 })).toBe(0.75);
  expect(promptShare({ mean_ms: null, count: 0, within_10_min: 0 })).toBeNull();
  expect(promptShare(undefined)).toBeNull();
});
