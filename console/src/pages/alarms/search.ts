import { type Alarm, rank, SEVERITIES, type Severity } from './types';

export const VIEWS = ['open', 'shelved', 'maintenance', 'closed'] as const;
export const GROUPS = ['none', 'site', 'class', 'parent', 'condition'] as const;
export const ORDERS = ['severity', 'newest', 'oldest'] as const;
export type View = (typeof VIEWS)[number];
export type Group = (typeof GROUPS)[number];
export type Order = (typeof ORDERS)[number];

/** What the address of the desk says. What is left out is the default, so that addresses stay short. */
export interface DeskSearch {
  view?: View;
  group?: Group;
  order?: Order;
  site?: string;
  area?: string;
  device?: string;
  class?: string;
  min_severity?: Severity;
  acknowledged?: boolean;
  assigned?: string;
  condition?: string;
  rule?: string;
  q?: string;
  from?: number;
  to?: number;
}

function word(value: unknown): string | undefined {
  // An address may carry a bare number where a name is meant (`device=12`).
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value.slice(0, 200) : undefined;
}

function among<T extends string>(list: readonly T[], value: unknown): T | undefined {
  return list.find((item) => item === value);
}

function time(value: unknown): number | undefined {
  const number = Number(value);
  return value !== '' && Number.isFinite(number) && number > 0 ? Math.trunc(number) : undefined;
}

function truth(value: unknown): boolean | undefined {
  if (value === true || value === 'true') return true;
  return value === false || value === 'false' ? false : undefined;
}

/** Takes an address apart; what cannot be meant is left out. */
export function readSearch(raw: Record<string, unknown>): DeskSearch {
  const view = among(VIEWS, raw.view);
  const group = among(GROUPS, raw.group);
  const order = among(ORDERS, raw.order);
  const all: Record<keyof DeskSearch, unknown> = {
    view: view === 'open' ? undefined : view,
    group: group === 'none' ? undefined : group,
    order: order === 'severity' ? undefined : order,
    site: word(raw.site),
    area: word(raw.area),
    device: word(raw.device),
    class: word(raw.class),
    min_severity: among(SEVERITIES, raw.min_severity),
    acknowledged: truth(raw.acknowledged),
    assigned: word(raw.assigned),
    condition: word(raw.condition),
    rule: word(raw.rule),
    q: word(raw.q),
    from: time(raw.from),
    to: time(raw.to),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as DeskSearch;
}

/** The question that answers this address. */
export function toQuery(search: DeskSearch): Record<string, string> {
  const { view = 'open', group, order = 'severity', from, to, acknowledged, ...rest } = search;
  const query: Record<string, string> = { order };
  for (const [key, value] of Object.entries(rest)) if (value !== undefined) query[key] = String(value);
  if (acknowledged !== undefined) query.acknowledged = String(acknowledged);
  if (from !== undefined) query.from = String(from);
  if (to !== undefined) query.to = String(to);
  query.state = view === 'closed' ? 'closed' : 'open';
  if (view === 'closed') query.hidden = 'all';
  else {
    query.hidden = group === 'parent' ? 'all' : 'false';
    query.shelved = String(view === 'shelved');
    if (view !== 'shelved') query.maintenance = String(view === 'maintenance');
  }
  return query;
}

/** Whether the list behind this address has the alarm; `null` when only the collector can tell. */
export function matches(alarm: Alarm, search: DeskSearch, me: string): boolean | null {
  const { view = 'open', group } = search;
  if ((alarm.state === 'closed') !== (view === 'closed')) return false;
  if (view !== 'closed') {
    if ((alarm.shelved_until_ms !== null) !== (view === 'shelved')) return false;
    if (view !== 'shelved' && alarm.maintenance !== (view === 'maintenance')) return false;
    if (alarm.hidden_by !== null && group !== 'parent') return false;
  }
  const equal = (wanted: string | undefined, actual: string | null) =>
    wanted === undefined || wanted === actual;
  if (!equal(search.site, alarm.site) || !equal(search.device, alarm.device)) return false;
  if (!equal(search.class, alarm.class) || !equal(search.condition, alarm.condition)) return false;
  if (!equal(search.rule, alarm.rule)) return false;
  if (search.min_severity && rank(alarm.severity) < rank(search.min_severity)) return false;
  if (search.acknowledged !== undefined && search.acknowledged !== (alarm.acknowledged_ms !== null))
    return false;
  if (search.assigned === 'none' && alarm.assigned_to !== null) return false;
  if (search.assigned === 'me' && alarm.assigned_to !== me) return false;
  if (search.assigned && search.assigned !== 'none' && search.assigned !== 'me') {
    if (alarm.assigned_to !== search.assigned) return false;
  }
  if (search.from !== undefined && alarm.raised_ms < search.from) return false;
  if (search.to !== undefined && alarm.raised_ms >= search.to) return false;
  // An area stands for everything below it, and free text is looked up by the collector's own rules.
  return search.q || (search.area && search.area !== alarm.area) ? null : true;
}

/** What narrows the list down, besides the view, the grouping and the order. */
export function narrowing(search: DeskSearch): (keyof DeskSearch)[] {
  const arrangement = ['view', 'group', 'order'];
  return (Object.keys(search) as (keyof DeskSearch)[]).filter((key) => !arrangement.includes(key));
}
