import { describe, expect, it } from 'vitest';
import { changesOf } from './changes';
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

describe('what is sent of a user', () => {
  const user = { display_name: '李雷', grants: [{ role: 'operator' as const, sites: ['b', 'a'] }] };

  it('is only what differs', () => {
    const same = { display_name: '李雷', grants: [{ role: 'operator' as const, sites: ['a', 'b'] }] };
    expect(changesOf(user, same)).toEqual({});
    expect(changesOf(user, { ...same, display_name: '韩梅梅' })).toEqual({ display_name: '韩梅梅' });
    const more = [...same.grants, { role: 'viewer' as const, sites: null }];
    expect(changesOf(user, { ...same, grants: more })).toEqual({ grants: more });
    const everywhere = [{ role: 'operator' as const, sites: null }];
    expect(changesOf(user, { ...same, grants: everywhere })).toEqual({ grants: everywhere });
  });
});
