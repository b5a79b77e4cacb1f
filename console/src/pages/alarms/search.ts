import { text, type Values, whole, word } from '../../app/params';
import { type Alarm, rank, SEVERITIES } from './types';

export const VIEWS = ['open', 'shelved', 'maintenance', 'closed'] as const;
export const GROUPS = ['none', 'site', 'class', 'parent', 'condition'] as const;
export const ORDERS = ['severity', 'newest', 'oldest'] as const;
export type View = (typeof VIEWS)[number];
export type Group = (typeof GROUPS)[number];
export type Order = (typeof ORDERS)[number];

/** What the address of the desk says; the site is part of every address. */
export const DESK = {
  view: word(VIEWS, 'open'),
  group: word(GROUPS, 'none'),
  order: word(ORDERS, 'severity'),
  area: text(),
  device: text(),
  class: text(),
  min_severity: word(['', ...SEVERITIES], ''),
  acknowledged: word(['', 'true', 'false'], ''),
  /** `me`, `none`, or somebody's id. */
  assigned: text(),
  condition: text(),
  rule: text(),
  q: text(),
  from: whole(),
  to: whole(),
};

export type DeskParams = Values<typeof DESK>;
export type DeskSearch = DeskParams & { site: string | null };

/** The question that answers this address. */
export function toQuery(search: DeskSearch): Record<string, string | number | null> {
  const { view, group, ...rest } = search;
  if (view === 'closed') return { ...rest, state: 'closed', hidden: 'all' };
  const query = {
    ...rest,
    state: 'open',
    hidden: group === 'parent' ? 'all' : 'false',
    shelved: String(view === 'shelved'),
  };
  return view === 'shelved' ? query : { ...query, maintenance: String(view === 'maintenance') };
}

/** Whether the list behind this address has the alarm; `null` when only the collector can tell. */
export function matches(alarm: Alarm, search: DeskSearch, me: string): boolean | null {
  const { view, group } = search;
  if ((alarm.state === 'closed') !== (view === 'closed')) return false;
  if (view !== 'closed') {
    if ((alarm.shelved_until_ms !== null) !== (view === 'shelved')) return false;
    if (view !== 'shelved' && alarm.maintenance !== (view === 'maintenance')) return false;
    if (alarm.hidden_by !== null && group !== 'parent') return false;
  }
  const equal = (wanted: string | null, actual: string | null) => !wanted || wanted === actual;
  if (!equal(search.site, alarm.site) || !equal(search.device, alarm.device)) return false;
  if (!equal(search.class, alarm.class) || !equal(search.condition, alarm.condition)) return false;
  if (!equal(search.rule, alarm.rule)) return false;
  if (search.min_severity && rank(alarm.severity) < rank(search.min_severity)) return false;
  const isAcknowledged = String(alarm.acknowledged_ms !== null);
  if (!equal(search.acknowledged, isAcknowledged)) return false;
  if (search.assigned === 'none' && alarm.assigned_to !== null) return false;
  if (search.assigned === 'me' && alarm.assigned_to !== me) return false;
  if (search.assigned && search.assigned !== 'none' && search.assigned !== 'me') {
    if (alarm.assigned_to !== search.assigned) return false;
  }
  if (search.from !== null && alarm.raised_ms < search.from) return false;
  if (search.to !== null && alarm.raised_ms >= search.to) return false;
  // An area stands for everything below it, and free text is looked up by the collector's own rules.
  return search.q || (search.area && search.area !== alarm.area) ? null : true;
}

/** What narrows the list down, besides the view, the grouping, the order and the site. */
export function narrowing(params: DeskParams): (keyof DeskParams)[] {
  const arrangement = ['view', 'group', 'order'];
  const isSet = (key: keyof DeskParams) => params[key] !== '' && params[key] !== null;
  return (Object.keys(DESK) as (keyof DeskParams)[]).filter(
    (key) => !arrangement.includes(key) && isSet(key),
  );
}
