import { expect, it } from 'vitest';
import { type SiteSummary, worstFirst } from './order';

const site = (name: string, by_level: Record<string, number>, worst: SiteSummary['worst_severity'] = null) =>
  ({ site: name, total: 9, by_level, worst_severity: worst, open_alarms: 0 }) satisfies SiteSummary;

it('puts a site that nobody observes before one that works', () => {
  const sites = [
    site('works', { working: 9 }),
    site('silent', { not_current: 9 }),
    site('faults', { unreachable: 1, working: 8 }),
    site('alarm', { working: 9 }, 'major'),
  ];
  expect(sites.sort(worstFirst).map((each) => each.site)).toEqual(['alarm', 'faults', 'silent', 'works']);
});
