/** The stream as pages use it. */
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { type StreamState, stream } from './stream';
import type { Batch } from './stream-batch';

/** Whether what is shown is how it is now. */
export function useStreamState(): StreamState {
  return useSyncExternalStore(stream.onState, stream.getState);
}

/** Whether nothing on the page may be shown as fresh. */
export function useIsStale(): boolean {
  return useStreamState() === 'stale';
}

/** Calls `listener` with the changes of each frame, for what no list or page shows by itself. */
export function useStreamBatch(listener: (batch: Batch) => void): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => stream.onBatch((batch) => latest.current(batch)), []);
}

/** Has the points of a device told too while the page is open. */
export function useWatchDevice(id: string): void {
  useEffect(() => stream.watchDevice(id), [id]);
}
