import type { Alarm } from './types';

/** Operators promise to respond within this time, on average. */
export const PROMISE_MS = 10 * 60_000;

export type PromiseState = 'running' | 'late-soon' | 'late' | 'kept' | 'broken' | 'none';

export interface ResponseClock {
  state: PromiseState;
  /** From the raising to the answer of a person, or to now. */
  elapsed_ms: number;
}

/** How the response to an alarm stands. One that is hidden, shelved or under maintenance asks nobody. */
export function responseClock(alarm: Alarm, now: number): ResponseClock {
  if (alarm.acknowledged_ms !== null) {
    const elapsed = alarm.response_ms ?? Math.max(0, alarm.acknowledged_ms - alarm.raised_ms);
    return { state: elapsed <= PROMISE_MS ? 'kept' : 'broken', elapsed_ms: elapsed };
  }
  const elapsed = Math.max(0, (alarm.closed_ms ?? now) - alarm.raised_ms);
  const asksNobody = alarm.hidden_by !== null || alarm.shelved_until_ms !== null || alarm.maintenance;
  if (alarm.state === 'closed' || asksNobody) return { state: 'none', elapsed_ms: elapsed };
  if (elapsed > PROMISE_MS) return { state: 'late', elapsed_ms: elapsed };
  return { state: elapsed > PROMISE_MS * 0.7 ? 'late-soon' : 'running', elapsed_ms: elapsed };
}

/** `4:07`, `1:02:33`: it ticks while it matters. From a day on nobody counts seconds; `null` then. */
export function clockText(ms: number): string | null {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  if (hours >= 24) return null;
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
