import type { Grant, User } from './types';

interface Wanted {
  display_name: string;
  grants: Grant[];
}

/** Grants in an order of their own, so that equal ones look equal. */
function plain(grants: readonly Grant[]): string {
  const texts = grants.map(({ role, sites }) => `${role} ${sites ? [...sites].sort().join(' ') : '*'}`);
  return texts.sort().join('\n');
}

/** What differs: grants that are sent end the person's sessions, so they are sent only if they are others. */
export function changesOf(user: Pick<User, 'display_name' | 'grants'>, wanted: Wanted): Partial<Wanted> {
  return {
    ...(wanted.display_name === user.display_name ? {} : { display_name: wanted.display_name }),
    ...(plain(wanted.grants) === plain(user.grants) ? {} : { grants: wanted.grants }),
  };
}
