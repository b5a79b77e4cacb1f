import type { Alarm } from './types';

let made = 0;

/** An alarm for a test: raised now, seen by nobody, except for what is given. */
export function sample(given: Partial<Alarm> = {}): Alarm {
  made += 1;
  return {
    id: `a-${String(made).padStart(4, '0')}`,
    change: made,
    site: 'north',
    area: 'hall',
    device: 'd-1',
    device_label: '1 号机柜空调',
    class: 'air-conditioner',
    agent: 'north-1',
    origin: 'rule',
    rule: 'air-conditioner-hot',
    condition: 'hot',
    point: 'supply_air',
    severity: 'warning',
    state: 'raised',
    text: { zh: '送风温度过高', en: 'Supply air is too hot' },
    value: 31.5,
    unit: '°C',
    raised_ms: 1_000_000,
    last_raised_ms: 1_000_000,
    cleared_ms: null,
    count: 1,
    flapping: false,
    acknowledged_by: null,
    acknowledged_ms: null,
    assigned_to: null,
    assigned_name: null,
    shelved_until_ms: null,
    shelved_by: null,
    shelve_reason: null,
    hidden_by: null,
    hides: 0,
    maintenance: false,
    comments: 0,
    closed_by: null,
    closed_ms: null,
    response_ms: null,
    repair_ms: null,
    ...given,
  };
}
