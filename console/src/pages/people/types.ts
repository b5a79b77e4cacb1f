import type { components } from '../../api/schema';

export const ROLES = ['viewer', 'operator', 'engineer', 'maintenance', 'administrator', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

export interface Grant {
  role: Role;
  /** At all sites when missing. */
  sites?: string[] | null;
}

export interface Contact {
  email: string | null;
  phone: string | null;
  language: 'zh' | 'en';
}

export type User = Omit<components['schemas']['UserView'], 'grants'> & {
  grants: Grant[];
  contact?: Contact | null;
  /** What was read, so that two people who change the user do not undo each other's changes. */
  revision?: string;
};

/** Grants with the same role put together: a role is given once, at some sites or at all. */
export function joined(grants: readonly Grant[]): Grant[] {
  const byRole = new Map<Role, Grant>();
  for (const grant of grants) {
    const before = byRole.get(grant.role);
    const sites = grant.sites && grant.sites.length > 0 ? grant.sites : null;
    if (!before) byRole.set(grant.role, { role: grant.role, sites });
    else if (before.sites === null || sites === null)
      byRole.set(grant.role, { role: grant.role, sites: null });
    else
      byRole.set(grant.role, {
        role: grant.role,
        sites: [...new Set([...(before.sites ?? []), ...sites])].sort(),
      });
  }
  return [...byRole.values()];
}

/** Users that have the words somebody looks for. */
export function found(users: readonly User[], q: string): User[] {
  const wanted = q.trim().toLowerCase();
  return users.filter((user) => `${user.name} ${user.display_name}`.toLowerCase().includes(wanted));
}
