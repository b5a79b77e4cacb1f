import { compare } from './order';
import type { Group, Order } from './search';
import { type Alarm, rank, type Severity } from './types';

export interface GroupRow {
  kind: 'group';
  key: string;
  /** What the members share: a site, a class, a condition, or the alarm that explains them. */
  value: string;
  parent: Alarm | null;
  count: number;
  unacknowledged: number;
  worst: Severity;
  folded: boolean;
  members: string[];
}

export interface AlarmLine {
  kind: 'alarm';
  key: string;
  alarm: Alarm;
  /** 1 for one that is shown below the alarm that hides it. */
  depth: number;
}

/** Stands for hidden alarms that are on the way, or that are more than the answer holds. */
export interface NoteRow {
  kind: 'note';
  key: string;
  note: 'loading' | 'more' | 'failed';
  parent: string;
  count: number;
}

export type Row = GroupRow | AlarmLine | NoteRow;

/** The hidden alarms of an unfolded one: on the way, not to be had, or there. */
export type Unfolded = 'loading' | 'failed' | Alarm[];

export interface Layout {
  group: Group;
  order: Order;
  folded: ReadonlySet<string>;
  unfolded: ReadonlyMap<string, Unfolded>;
}

function groupOf(alarm: Alarm, group: Group): string {
  if (group === 'site') return alarm.site;
  if (group === 'class') return alarm.class;
  if (group === 'condition') return alarm.condition;
  return alarm.hidden_by ?? (alarm.hides > 0 ? alarm.id : '');
}

function lines(alarm: Alarm, unfolded: Layout['unfolded']): Row[] {
  const own: Row = { kind: 'alarm', key: alarm.id, alarm, depth: 0 };
  const below = unfolded.get(alarm.id);
  if (below === undefined || alarm.hides === 0) return [own];
  const note = (note: NoteRow['note'], count: number): NoteRow => ({
    kind: 'note',
    key: `${alarm.id}/${note}`,
    note,
    parent: alarm.id,
    count,
  });
  if (below === 'loading' || below === 'failed') return [own, note(below, alarm.hides)];
  const children = below.map(
    (child): Row => ({ kind: 'alarm', key: `${alarm.id}/${child.id}`, alarm: child, depth: 1 }),
  );
  const rest = alarm.hides - below.length;
  return rest > 0 ? [own, ...children, note('more', rest)] : [own, ...children];
}

/** The rows of the desk, top to bottom. Groups come worst first, then larger first. */
export function rowsOf(alarms: Alarm[], layout: Layout): Row[] {
  const sorted = [...alarms].sort(compare(layout.order));
  if (layout.group === 'none') return sorted.flatMap((alarm) => lines(alarm, layout.unfolded));
  const groups = new Map<string, Alarm[]>();
  for (const alarm of sorted) {
    const value = groupOf(alarm, layout.group);
    const members = groups.get(value);
    if (members) members.push(alarm);
    else groups.set(value, [alarm]);
  }
  const rows = [...groups].map(([value, members]): { head: GroupRow; members: Alarm[] } => {
    const worst = members.reduce((a, b) => (rank(b.severity) > rank(a.severity) ? b : a));
    const key = `${layout.group}:${value}`;
    const head: GroupRow = {
      kind: 'group',
      key,
      value,
      parent: layout.group === 'parent' ? (members.find((alarm) => alarm.id === value) ?? null) : null,
      count: members.length,
      unacknowledged: members.filter((alarm) => alarm.acknowledged_ms === null).length,
      worst: worst.severity,
      folded: layout.folded.has(key),
      members: members.map((alarm) => alarm.id),
    };
    // The alarm that explains the others stands above them.
    const first = head.parent;
    return { head, members: first ? [first, ...members.filter((alarm) => alarm !== first)] : members };
  });
  rows.sort((a, b) => rank(b.head.worst) - rank(a.head.worst) || b.head.count - a.head.count);
  return rows.flatMap(({ head, members }) => {
    if (head.folded) return [head];
    if (layout.group !== 'parent')
      return [head, ...members.flatMap((alarm) => lines(alarm, layout.unfolded))];
    const own = members.map((alarm): Row => {
      return { kind: 'alarm', key: alarm.id, alarm, depth: alarm.hidden_by === null ? 0 : 1 };
    });
    return [head, ...own];
  });
}
