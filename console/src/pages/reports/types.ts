export interface Times {
  working_ms: number;
  answering_ms: number;
  down_ms: number;
  not_observed_ms: number;
  maintenance_ms: number;
  disabled_ms: number;
}

export interface Parts extends Times {
  /** `null` if nothing counts. */
  availability?: number | null;
  reachability?: number | null;
}

/** A site, class or area, or a device, with its figures. */
export interface Line extends Parts {
  key: string;
  /** What people call it; for devices. */
  label?: string;
  site: string | null;
  devices: number;
}

export interface Figures {
  from_ms: number;
  to_ms: number;
  total: Parts;
  items: (Parts & { site: string | null; key: string; devices: number })[];
  images: { cameras: number; online_rate: number | null; judged: number; intact_rate: number | null };
}

export interface DeviceFigures {
  from_ms: number;
  to_ms: number;
  total: Parts;
  items: (Parts & { device: string; site: string; label: string; class: string })[];
  next?: string | null;
}

export interface Response {
  count: number;
  acknowledged: number;
  unanswered: number;
  mean_response_ms: number | null;
  p95_response_ms: number | null;
  within_10_min_share: number | null;
  closed_share: number | null;
  mean_repair_ms: number | null;
}

export const PART_NAMES = [
  'working',
  'answering',
  'down',
  'not_observed',
  'maintenance',
  'disabled',
] as const;
export type PartName = (typeof PART_NAMES)[number];

/** What a time consists of, as shares; parts that are nothing are left out. */
export function sharesOf(times: Times): { name: PartName; share: number; ms: number }[] {
  const all = PART_NAMES.reduce((sum, name) => sum + times[`${name}_ms`], 0);
  if (all === 0) return [];
  return PART_NAMES.map((name) => ({
    name,
    ms: times[`${name}_ms`],
    share: times[`${name}_ms`] / all,
  })).filter(({ ms }) => ms > 0);
}
