/** A sound when an alarm comes that nobody has seen yet. */
import { useSyncExternalStore } from 'react';
import { useStreamBatch } from '../api/live';
import type { Alarm } from '../api/types';
import { serverNow } from '../ui/now';
import { Ear } from './ear';

const STORED = 'kouan.sound';

const listeners = new Set<() => void>();
let isOn = localStorage.getItem(STORED) === 'on';
let context: AudioContext | null = null;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSound(): [boolean, (on: boolean) => void] {
  const on = useSyncExternalStore(subscribe, () => isOn);
  const set = (next: boolean) => {
    isOn = next;
    localStorage.setItem(STORED, next ? 'on' : 'off');
    if (next) beep('warning');
    for (const each of listeners) each();
  };
  return [on, set];
}

/** Two falling tones for what is critical, one for the rest: told apart by ear. */
function beep(severity: Alarm['severity']): void {
  context ??= new AudioContext();
  void context.resume();
  const tones = severity === 'critical' ? [880, 660, 880, 660] : [740];
  tones.forEach((hertz, at) => {
    if (!context) return;
    const [oscillator, gain] = [context.createOscillator(), context.createGain()];
    const from = context.currentTime + at * 0.18;
    oscillator.frequency.value = hertz;
    gain.gain.setValueAtTime(0.0001, from);
    gain.gain.exponentialRampToValueAtTime(0.22, from + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, from + 0.16);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(from + 0.17);
  });
}

const ear = new Ear();

export function useAlarmSound(): void {
  useStreamBatch((batch) => {
    // It listens while the sound is off too, so that switching it on plays nothing old.
    const news = ear.listen([...batch.alarms.values()], serverNow());
    if (isOn && news) beep(news);
  });
}
