/** One clock for all ages on the page, set by the collector's. */
import { useSyncExternalStore } from 'react';
import { stream } from '../api/stream';

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

/** Calls `listener` once a second. */
export function subscribeNow(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = serverNow();
    timer = setInterval(() => {
      now = serverNow();
      for (const each of listeners) each();
    }, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time by the collector's clock; this machine's may be wrong. */
export function serverNow(): number {
  return Date.now() + stream.getOffsetMs();
}

/** The time of the last tick. */
export function nowOnce(): number {
  return now;
}

/** The time, once a second. Use it in small components only: each tick draws them again. */
export function useNow(): number {
  return useSyncExternalStore(subscribeNow, nowOnce);
}
