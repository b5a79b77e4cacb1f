import { describe, expect, it } from 'vitest';
import { joined } from './types';

describe('grants', () => {
  it('of one role become one, and all sites win', () => {
    const grants = [
      { role: 'operator' as const, sites: ['b'] },
      { role: 'viewer' as const, sites: [] },
      { role: 'operator' as const, sites: ['a', 'b'] },
    ];
    expect(joined(grants)).toEqual([
      { role: 'operator', sites: ['a', 'b'] },
      { role: 'viewer', sites: null },
    ]);
    expect(joined([...grants, { role: 'operator' as const, sites: null }])[0]).toEqual({
      role: 'operator',
      sites: null,
    });
  });
});
