import { type SetParams, text, type Values, whole, word, words } from '../../app/params';
import { RANGES } from './charts/range';

export const TABS = [
  'state',
  'charts',
  'events',
  'alarms',
  'commands',
  'pictures',
  'neighbours',
  'changes',
] as const;
export type Tab = (typeof TABS)[number];

export const PARAMS = {
  tab: word(TABS, 'state'),
  points: words(),
  range: word(RANGES, '6h'),
  from: whole(),
  to: whole(),
  command: text(),
};

export type DeviceParams = Values<typeof PARAMS>;
export type SetDeviceParams = SetParams<typeof PARAMS>;
