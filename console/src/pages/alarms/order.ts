import type { Order } from './search';
import { type Alarm, rank } from './types';

/** Which of two alarms comes first. The id decides at last, so that rows never swap for no reason. */
export function compare(order: Order): (a: Alarm, b: Alarm) => number {
  const newest = (a: Alarm, b: Alarm) => b.last_raised_ms - a.last_raised_ms || (a.id < b.id ? 1 : -1);
  if (order === 'newest') return newest;
  if (order === 'oldest') return (a, b) => -newest(a, b);
  const waits = (alarm: Alarm) => (alarm.acknowledged_ms === null ? 1 : 0);
  return (a, b) => rank(b.severity) - rank(a.severity) || waits(b) - waits(a) || newest(a, b);
}

export interface Merged {
  alarms: Alarm[];
  /** Something came that only the collector can place. */
  unsure: boolean;
}

/**
 * Puts changed alarms into a list: those that it has are replaced or leave it, those that belong into it enter.
 * An older change never replaces a newer one.
 */
export function merge(
  list: Alarm[],
  changed: Alarm[],
  order: Order,
  belongs: (alarm: Alarm) => boolean | null,
): Merged {
  const byId = new Map(list.map((alarm) => [alarm.id, alarm]));
  let unsure = false;
  for (const alarm of changed) {
    const had = byId.get(alarm.id);
    if (had && had.change > alarm.change) continue;
    const verdict = belongs(alarm);
    if (verdict === false) byId.delete(alarm.id);
    else if (verdict === true) byId.set(alarm.id, alarm);
    else if (had) byId.set(alarm.id, alarm);
    else unsure = true;
  }
  return { alarms: [...byId.values()].sort(compare(order)), unsure };
}
