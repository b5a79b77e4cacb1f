/** How a page is registered. */
import type { ReactNode } from 'react';
import type { Right } from '../api/types';
import type { Icon } from '../ui/icons';

/** Where in the navigation a page stands. */
export type Group = 'watch' | 'place' | 'manage';

export interface PageEntry {
  /** `/devices`, `/devices/$id`. */
  path: string;
  /** Fetches the page when it is first opened; its default export is the page. */
  load: () => Promise<{ default: () => ReactNode }>;
  /** Its place in the navigation; a page without one is reached from others. `word` is a key of `nav`. */
  nav?: { group: Group; word: string; icon: Icon };
  /** Whoever lacks this right sees that it is missing, and not the entry in the navigation. */
  right?: Right;
  /** Fills the whole window, without navigation: the wall-board. */
  bare?: boolean;
}
