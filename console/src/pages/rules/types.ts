import type { Names, Severity } from '../../api/types';

export interface Rule {
  id: string;
  revision: number;
  enabled: boolean;
  source: 'shipped' | 'own';
  /** The program has one of that name, which comes back when the own text is removed. */
  has_shipped: boolean;
  severity: Severity;
  condition: string;
  name: Names;
  toml: string;
  /** How many devices it looks at. */
  matches: number;
  /** How many alarms of it are open. */
  open: number;
}

/** Something wrong with a rule; `line` counts from 1, and is missing for what is about all of it. */
export interface RuleProblem {
  line?: number | null;
  text: string;
}

export interface TryDevice {
  device: string;
  label: string;
  raised: number;
  active_ms: number;
  first_ms: number | null;
}

export interface TryResult {
  raised: number;
  /** How many devices were looked at. */
  devices: number;
  per_device: TryDevice[];
  took_ms: number;
  truncated: boolean;
}

/** The rules that have the words somebody looks for. */
export function found(rules: readonly Rule[], q: string, source: '' | Rule['source']): Rule[] {
  const wanted = q.trim().toLowerCase().split(/\s+/);
  return rules.filter((rule) => {
    const text = `${rule.id} ${rule.name.zh} ${rule.name.en} ${rule.toml}`.toLowerCase();
    return (source === '' || rule.source === source) && wanted.every((word) => text.includes(word));
  });
}
