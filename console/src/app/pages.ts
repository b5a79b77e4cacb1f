/**
 * All pages of the console, one entry each, in the order of the navigation.
 *
 * A page is a folder in `pages/` whose `index.tsx` has the page as its default export; its words are
 * `i18n/zh/<page>.json` and `i18n/en/<page>.json`. Lists are asked for under these keys, under which the stream finds
 * them: `devices`, `device`, `alarms`, `alarm`, `alarm-summary`, `agents`, `commands`, `command`, `overview`.
 */
import {
  IconAgent,
  IconAlarm,
  IconAssets,
  IconAudit,
  IconDevices,
  IconKey,
  IconMap,
  IconOverview,
  IconPin,
  IconReport,
  IconRules,
  IconSend,
  IconTopology,
  IconUsers,
  IconWall,
  IconWindow,
} from '../ui/icons';
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
  { path: '/map', load: () => import('../pages/map'), nav: { group: 'place', word: 'map', icon: IconMap } },
  {
    path: '/plans',
    load: () => import('../pages/plans'),
    nav: { group: 'place', word: 'plans', icon: IconPin },
  },
  {
    path: '/topology',
    load: () => import('../pages/topology'),
    nav: { group: 'place', word: 'topology', icon: IconTopology },
  },
  {
    path: '/assets',
    load: () => import('../pages/assets'),
    nav: { group: 'place', word: 'assets', icon: IconAssets },
  },
  { path: '/assets/import', load: () => import('../pages/asset-import'), right: 'configure' },
  { path: '/assets/$id', load: () => import('../pages/asset') },
  {
    path: '/wall',
    load: () => import('../pages/wall'),
    nav: { group: 'watch', word: 'wall', icon: IconWall },
    bare: true,
  },
  {
    path: '/alarms',
    load: () => import('../pages/alarms'),
    nav: { group: 'watch', word: 'alarms', icon: IconAlarm },
  },
  { path: '/alarms/$id', load: () => import('../pages/alarm') },
  {
    path: '/reports',
    load: () => import('../pages/reports'),
    nav: { group: 'watch', word: 'reports', icon: IconReport },
  },
  {
    path: '/agents',
    load: () => import('../pages/agents'),
    nav: { group: 'manage', word: 'agents', icon: IconAgent },
  },
  {
    path: '/maintenance',
    load: () => import('../pages/maintenance'),
    nav: { group: 'manage', word: 'maintenance', icon: IconWindow },
  },
  {
    path: '/rules',
    load: () => import('../pages/rules'),
    nav: { group: 'manage', word: 'rules', icon: IconRules },
  },
  { path: '/rules/$id', load: () => import('../pages/rule') },
  {
    path: '/notifications',
    load: () => import('../pages/notifications'),
    nav: { group: 'manage', word: 'notifications', icon: IconSend },
  },
  {
    path: '/people',
    load: () => import('../pages/people'),
    nav: { group: 'manage', word: 'people', icon: IconUsers },
    right: 'admin',
  },
  {
    path: '/keys',
    load: () => import('../pages/keys'),
    nav: { group: 'manage', word: 'keys', icon: IconKey },
    right: 'admin',
  },
  {
    path: '/audit',
    load: () => import('../pages/audit'),
    nav: { group: 'manage', word: 'audit', icon: IconAudit },
    right: 'audit',
  },
  { path: '/devices/$id', load: () => import('../pages/device') },
  { path: '/profile', load: () => import('../pages/profile') },
];
