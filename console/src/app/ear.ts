/** Which alarms are to be heard: those that somebody must look at now, and each raising once. */
import type { Alarm, Severity } from '../api/types';

/** What is told again after a break is not new. */
const FRESH_MS = 60_000;

/** Whether somebody should hear it. */
export function isLoud(alarm: Alarm, now: number): boolean {
  const isQuiet = alarm.hidden_by !== null || alarm.maintenance || (alarm.shelved_until_ms ?? 0) > now;
  return (
    alarm.state === 'raised' &&
    alarm.acknowledged_ms === null &&
    !isQuiet &&
    (alarm.severity === 'critical' || alarm.severity === 'major') &&
    now - alarm.last_raised_ms < FRESH_MS
  );
}

/** Remembers what was heard, so that a comment on an alarm makes no noise, and its coming back does. */
export class Ear {
  private readonly heard = new Map<string, number>();

  /** The worst severity that is news among these. */
  listen(changed: readonly Alarm[], now: number): Severity | null {
    let worst: Severity | null = null;
    for (const alarm of changed) {
      if (alarm.state === 'closed') {
        this.heard.delete(alarm.id);
        continue;
      }
      if (!isLoud(alarm, now)) continue;
      const before = this.heard.get(alarm.id);
      this.heard.set(alarm.id, alarm.last_raised_ms);
      // One that flaps was heard; its coming and going is one matter.
      if (before !== undefined && (alarm.last_raised_ms <= before || alarm.flapping)) continue;
      if (worst === null || alarm.severity === 'critical') worst = alarm.severity;
    }
    return worst;
  }
}
