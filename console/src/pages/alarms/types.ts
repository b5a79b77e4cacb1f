import type { Alarm, AlarmSummary, Names, Severity } from '../../api/types';

export type { Alarm, AlarmSummary, Names, Severity };

/** Worst first. */
export const SEVERITIES = ['critical', 'major', 'warning', 'info'] as const satisfies readonly Severity[];

/** How bad, larger is worse. */
export function rank(severity: Severity): number {
  return SEVERITIES.length - SEVERITIES.indexOf(severity);
}

/** The words of the reader's language, or the other ones when there are none. */
export function inLanguage(words: Names, language: string): string {
  const [first, second] = language.startsWith('zh') ? [words.zh, words.en] : [words.en, words.zh];
  return first || second;
}

/** What happened to an alarm, oldest first. */
export interface AlarmStep {
  time_ms: number;
  what:
    | 'raised'
    | 'renewed'
    | 'cleared'
    | 'acknowledged'
    | 'assigned'
    | 'comment'
    | 'shelved'
    | 'unshelved'
    | 'hidden'
    | 'shown'
    | 'escalated'
    | 'closed';
  by: string;
  text: string;
}

/** A message that went out about an alarm. */
export interface NotificationRecord {
  id: string;
  time_ms: number;
  alarms: string[];
  channel: string;
  /** As it was called then. */
  channel_name: string;
  route: string;
  route_name: string;
  step: number;
  kind: 'raise' | 'clear' | 'escalate' | 'digest' | 'test';
  language: string;
  recipient: string;
  subject: string;
  text: string;
  state: 'waiting' | 'sent' | 'failed' | 'suppressed';
  attempts: number;
  next_ms: number | null;
  problem: string | null;
  /** The same in Chinese, where somebody wrote it. */
  problem_zh?: string | null;
}

export type AlarmDetail = Alarm & { log: AlarmStep[]; hidden: Alarm[] };

export type Deed = 'acknowledge' | 'assign' | 'comment' | 'shelve' | 'unshelve' | 'close';

export interface ActRequest {
  ids: string[];
  do: Deed;
  to?: string | null;
  until_ms?: number;
  reason?: string;
  text?: string;
}

export interface ActResult {
  id: string;
  done: boolean;
  problem?: string | null;
  /** The same in Chinese, where somebody wrote it. */
  problem_zh?: string | null;
}
