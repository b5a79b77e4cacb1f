import { type SetParams, text, type Values, word, words } from '../../app/params';
import { LEVELS } from '../../ui/badges';

export const SORTS = ['worst', 'label', 'class', 'area', 'site', 'alarms', 'since'] as const;

export const PARAMS = {
  q: text(),
  class: text(),
  area: text(),
  agent: text(),
  health: words(LEVELS),
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
