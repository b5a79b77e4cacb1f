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

/** What is played: pitch in hertz, beginning and length in seconds. IEC 60601-1-8 has three pulses for medium, five for high. */
export function pulses(severity: Severity): { hertz: number; at: number; length: number }[] {
  if (severity === 'critical') {
    return [0, 0.18, 0.36, 0.7, 0.88].map((at, index) => ({
      hertz: index < 3 ? 880 : 1046,
      at,
      length: 0.13,
    }));
  }
  return [0, 0.28, 0.56].map((at) => ({ hertz: 660, at, length: 0.2 }));
}

const MUTE = 'kouan.alarms.muted';

export function isMuted(): boolean {
  return localStorage.getItem(MUTE) === 'yes';
}

export function setMuted(muted: boolean): void {
  localStorage.setItem(MUTE, muted ? 'yes' : 'no');
}

/** The loudspeaker. Browsers keep it shut until somebody touched the page. */
export class Horn {
  private context: AudioContext | null = null;
  private lastAt = 0;

  /** Whether the browser would let it be heard. */
  get isShut(): boolean {
    return this.context?.state !== 'running';
  }

  async open(): Promise<void> {
    this.context ??= new AudioContext();
    if (this.context.state === 'suspended') await this.context.resume();
  }

  /** Plays, but not over what still sounds. */
  play(severity: Severity, now: number): void {
    const context = this.context;
    if (context?.state !== 'running' || now - this.lastAt < 2000) return;
    this.lastAt = now;
    for (const { hertz, at, length } of pulses(severity)) {
      const [tone, volume] = [context.createOscillator(), context.createGain()];
      const start = context.currentTime + at;
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(0.25, start + 0.02);
      volume.gain.linearRampToValueAtTime(0, start + length);
      tone.connect(volume).connect(context.destination);
      tone.start(start);
      tone.stop(start + length);
    }
  }

  close(): void {
    void this.context?.close();
    this.context = null;
  }
}
