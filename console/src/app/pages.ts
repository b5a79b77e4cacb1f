/**
 * All pages of the console, one entry each, in the order of the navigation.
 *
 * A page is a folder in `pages/` whose `index.tsx` has the page as its default export; its words are
 * `i18n/zh/<page>.json` and `i18n/en/<page>.json`. Lists are asked for under these keys, under which the stream finds
 * them: `devices`, `device`, `alarms`, `alarm`, `alarm-summary`, `agents`, `commands`, `command`, `overview`.
 */
import { IconDevices, IconOverview } from '../ui/icons';
import type { PageEntry } from './page';

export const pages: readonly PageEntry[] = [
  {
    path: '/',
    load: () => import('../pages/overview'),
    nav: { group: 'watch', word: 'overview', icon: IconOverview },
  },
  {
    path: '/devices',
    load: () => import('../pages/devices'),
    nav: { group: 'watch', word: 'devices', icon: IconDevices },
  },
  { path: '/profile', load: () => import('../pages/profile') },
];
