import { type Alarm, rank, type Severity } from './types';

/** Whether an alarm wants to be heard: somebody must look now, and nobody did. */
export function isLoud(alarm: Alarm): boolean {
  const quiet = alarm.hidden_by !== null || alarm.shelved_until_ms !== null || alarm.maintenance;
  return (
    alarm.state === 'raised' &&
    alarm.acknowledged_ms === null &&
    !quiet &&
    rank(alarm.severity) >= rank('major')
  );
}

/** Remembers what was heard, so that a comment on an alarm makes no noise, and its coming back does. */
export class Ear {
  private readonly heard = new Map<string, number>();

  /** What is there already when a page opens is not news. */
  know(alarms: Alarm[]): void {
    for (const alarm of alarms) this.heard.set(alarm.id, alarm.last_raised_ms);
  }

  /** The worst severity that is news among these. */
  listen(changed: Alarm[]): Severity | null {
    let worst: Severity | null = null;
    for (const alarm of changed) {
      const before = this.heard.get(alarm.id);
      this.heard.set(alarm.id, alarm.last_raised_ms);
      if (alarm.state === 'closed') this.heard.delete(alarm.id);
      // One that flaps was heard; its coming and going is one matter.
      const isNews = before === undefined || (alarm.last_raised_ms > before && !alarm.flapping);
      if (isNews && isLoud(alarm) && (worst === null || rank(alarm.severity) > rank(worst)))
        worst = alarm.severity;
    }
    return worst;
  }
}
