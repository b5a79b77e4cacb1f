import type { HealthLevel } from '../../api/types';
import { type SetParams, text, type Values, word, words } from '../../app/params';
import { LEVELS } from '../../ui/badges';

/** How a device stands: a level, or that nobody knows it now because its agent is silent. */
export type Standing = HealthLevel | 'not_current';
export const STANDINGS: readonly Standing[] = [...LEVELS.slice(0, -1), 'not_current', ...LEVELS.slice(-1)];

export const SORTS = ['worst', 'label', 'class', 'area', 'site', 'alarms', 'since'] as const;

export const PARAMS = {
  q: text(),
  class: text(),
  area: text(),
  agent: text(),
  health: words(STANDINGS),
  sort: word(SORTS, 'worst'),
  order: word(['asc', 'desc'], 'asc'),
};

/** The question behind an address; the collector calls `worst` `health`, and turns an order round with `-`. */
export function toQuery({ sort, order, ...filter }: DeviceParams, site: string | null) {
  const name = sort === 'worst' ? 'health' : sort;
  return { ...filter, site, sort: order === 'desc' ? `-${name}` : name };
}

export type DeviceParams = Values<typeof PARAMS>;
export type SetDeviceParams = SetParams<typeof PARAMS>;
