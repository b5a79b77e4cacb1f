/** Words in both languages; an alarm of an agent may have only one of them. */
export interface Words {
  zh: string;
  en: string;
}

export const SEVERITIES = ['critical', 'major', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One life of one condition. */
export interface Alarm {
  id: string;
  change: number;
  site: string;
  area: string;
  device: string | null;
  device_label: string;
  class: string;
  agent: string;
  origin: 'edge' | 'rule' | 'collector';
  rule: string | null;
  condition: string;
  point: string;
  severity: Severity;
  state: 'raised' | 'cleared' | 'closed';
  text: Words;
  value: number | string | boolean | null;
  unit: string;
  raised_ms: number;
  last_raised_ms: number;
  cleared_ms: number | null;
  count: number;
  flapping: boolean;
  acknowledged_by: string | null;
  acknowledged_ms: number | null;
  assigned_to: string | null;
  assigned_name: string | null;
  shelved_until_ms: number | null;
  shelved_by: string | null;
  shelve_reason: string | null;
  hidden_by: string | null;
  hides: number;
  maintenance: boolean;
  comments: number;
  closed_by: string | null;
  closed_ms: number | null;
  response_ms: number | null;
  repair_ms: number | null;
}

export interface AlarmPage {
  items: Alarm[];
  next?: string | null;
  total?: number | null;
}

export interface SeverityCount {
  open: number;
  unacknowledged: number;
}

export interface AlarmSummary {
  by_severity: Partial<Record<Severity, SeverityCount>>;
  by_site: { site: string; open: number; worst: Severity | null; unacknowledged: number }[];
  hidden: number;
  shelved: number;
  maintenance: number;
  response: { mean_ms: number | null; count: number; within_10_min: number | null };
  closed_share: number | null;
}

/** How bad, larger is worse. */
export function rank(severity: Severity): number {
  return SEVERITIES.length - SEVERITIES.indexOf(severity);
}

/** The words of the reader's language, or the other ones when there are none. */
export function inLanguage(words: Words, language: string): string {
  const [first, second] = language.startsWith('zh') ? [words.zh, words.en] : [words.en, words.zh];
  return first || second;
}
