/** What a role may do. The collector decides; the console only leaves out buttons that would be refused. */
import type { Right } from './types';

export type Role = 'viewer' | 'operator' | 'engineer' | 'maintenance' | 'administrator' | 'auditor';

const LOOK: readonly Right[] = ['metrics', 'read'];

export const RIGHTS_OF: Record<Role, readonly Right[]> = {
  viewer: LOOK,
  operator: [...LOOK, 'operate', 'evidence', 'command'],
  engineer: [...LOOK, 'operate', 'evidence', 'command', 'maintain', 'configure'],
  maintenance: [...LOOK, 'operate', 'evidence', 'maintain'],
  administrator: [...LOOK, 'operate', 'evidence', 'command', 'maintain', 'configure', 'admin', 'audit'],
  auditor: [...LOOK, 'audit'],
};

export interface Grant {
  role: string;
  /** At these sites; at all of them if there is no list. */
  sites?: readonly string[] | null;
}

/** Whether somebody with these grants may do something at a site. */
export function mayAt(grants: readonly Grant[], right: Right, site: string): boolean {
  return grants.some(
    ({ role, sites }) => (RIGHTS_OF[role as Role] ?? []).includes(right) && (sites?.includes(site) ?? true),
  );
}
