import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mayAt, RIGHTS_OF, type Role } from './rights';

const SOURCE = readFileSync(new URL('../../../collector/src/auth/right.rs', import.meta.url), 'utf8');

it('knows of each role what the collector lets it do', () => {
  const names = new Map(
    [...SOURCE.matchAll(/Self::(\w+) => "(\w+)"/g)].map(([, variant = '', name = '']) => [variant, name]),
  );
  const all = /const ALL: \[Self; \d+\] = \[([\s\S]*?)\]/.exec(SOURCE)?.[1] ?? '';
  const variants = (text: string) =>
    [...text.matchAll(/\b([A-Z]\w+)\b/g)].flatMap(([, name = '']) => names.get(name) ?? []);
  const every = variants(all.replaceAll('Self::', ''));
  expect(every.length).toBeGreaterThan(7);
  const roles = [...SOURCE.matchAll(/Self::(\w+) => &(\[[^\]]*\]|Right::ALL)/g)];
  expect(roles.map(([, role = '']) => role.toLowerCase()).sort()).toEqual(Object.keys(RIGHTS_OF).sort());
  for (const [, role = '', list = ''] of roles) {
    const rights = list === 'Right::ALL' ? every : variants(list);
    const own = RIGHTS_OF[role.toLowerCase() as Role].filter((right) => every.includes(right));
    expect([...own].sort(), role).toEqual([...rights].sort());
  }
});

it('asks at which site somebody may do something', () => {
  const grants = [{ role: 'viewer' }, { role: 'operator', sites: ['a'] }];
  expect(mayAt(grants, 'operate', 'a')).toBe(true);
  expect(mayAt(grants, 'operate', 'b')).toBe(false);
  expect(mayAt(grants, 'read', 'b')).toBe(true);
  expect(mayAt([{ role: 'engineer', sites: [] }], 'configure', 'a')).toBe(false);
  expect(mayAt([{ role: 'somebody', sites: null }], 'read', 'a')).toBe(false);
});
