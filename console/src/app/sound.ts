/** A sound when an alarm comes that nobody has seen yet. */
import { useEffect, useSyncExternalStore } from 'react';
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

/** `waiting`: it is wanted, but the browser lets a page sound only after somebody clicked in it. */
export type SoundState = 'on' | 'off' | 'waiting';

/** Told by the first click or key in the page; a browser that was told otherwise lets it sound at once. */
function tryToSound(): void {
  if (!isOn) return;
  if (context?.state === 'running') return;
  context ??= new AudioContext();
  context.onstatechange = () => {
    if (context?.state === 'running') allowedAt = performance.now();
    tell();
  };
  void context.resume().catch(tell);
}

function tell(): void {
  for (const each of listeners) each();
}

function state(): SoundState {
  if (!isOn) return 'off';
  return context?.state === 'running' ? 'on' : 'waiting';
}

/** When the browser last let the page sound. */
let allowedAt = Number.NEGATIVE_INFINITY;
/** The click that lets it sound may be one on the switch: that is no wish to switch it off. */
const SAME_CLICK_MS = 700;

function toggle(): void {
  const wasAllowedJustNow = performance.now() - allowedAt < SAME_CLICK_MS;
  isOn = state() !== 'on' || wasAllowedJustNow;
  localStorage.setItem(STORED, isOn ? 'on' : 'off');
  if (isOn) {
    tryToSound();
    beep('warning');
  }
  tell();
}

/** How it is with the sound, and how to switch it. */
export function useSound(): [SoundState, () => void] {
  const now = useSyncExternalStore(subscribe, state);
  useEffect(() => {
    tryToSound();
    window.addEventListener('pointerdown', tryToSound);
    window.addEventListener('keydown', tryToSound);
    return () => {
      window.removeEventListener('pointerdown', tryToSound);
      window.removeEventListener('keydown', tryToSound);
    };
  }, []);
  return [now, toggle];
}

/** Two falling tones for what is critical, one for the rest: told apart by ear. */
function beep(severity: Alarm['severity']): void {
  context ??= new AudioContext();
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
    // What could not be heard in its time is not made up for.
    if (state() === 'on' && news) beep(news);
  });
}
