import type { Tone } from '../../ui/badges';
import type { NotificationRecord, Severity } from '../alarms/types';

export type { NotificationRecord };

export const KINDS = ['email', 'sms', 'wecom', 'dingtalk', 'feishu', 'webhook', 'alertmanager'] as const;
export type Kind = (typeof KINDS)[number];

export interface Channel {
  id: string;
  kind: Kind;
  name: string;
  enabled: boolean;
  language: 'zh' | 'en';
  /** By kind. Secrets stand in it by name only. */
  settings: Record<string, unknown>;
  rate_per_hour: number;
  /** Secrets that it names and the collector does not have. */
  missing_secrets?: string[];
  revision?: number;
}

export interface Quiet {
  from: string;
  to: string;
  below_severity: Severity;
  /** 1 for Monday to 7 for Sunday. */
  days: number[];
}

export interface RouteStep {
  after_minutes: number;
  channels: string[];
  roles: string[];
  users: string[];
}

export interface Route {
  id: string;
  name: string;
  enabled: boolean;
  match: {
    sites: string[];
    areas: string[];
    classes: string[];
    min_severity: Severity | null;
    conditions: string[];
  };
  steps: RouteStep[];
  quiet: Quiet | null;
  repeat_minutes: number | null;
  revision?: number;
}

export const RECORD_STATES = ['waiting', 'sent', 'failed', 'suppressed'] as const;

export const RECORD_TONES: Record<NotificationRecord['state'], Tone> = {
  waiting: 'calm',
  sent: 'ok',
  failed: 'bad',
  suppressed: 'off',
};
