import { describe, expect, it } from 'vitest';
import { words as en } from './en';
import { keyOf, pointName } from './points';
import { words as zh } from './zh';

const look = (words: typeof zh, group: string) => (key: string) =>
  (words['terms']?.[group] as Record<string, string> | undefined)?.[key];
const chinese = (code: string) => pointName(code, look(zh, 'point'), look(zh, 'part'), true);
const english = (code: string) => pointName(code, look(en, 'point'), look(en, 'part'), false);

describe('names of points', () => {
  it('are put together from their parts', () => {
    expect(chinese('battery.voltage')).toBe('电池电压');
    expect(english('battery.voltage')).toBe('Battery voltage');
    expect(chinese('power.voltage.l1')).toBe('电压 L1');
    expect(chinese('relay.3')).toBe('继电器 3');
    expect(english('relay.mode.3')).toBe('Relay mode 3');
    expect(chinese('disk.data.used')).toBe('磁盘 data 已用');
  });

  it('are taken whole where that reads better', () => {
    expect(chinese('battery.charge')).toBe('电池电量');
    expect(chinese('energy.active')).toBe('有功电能');
    expect(keyOf('a.b:c')).toBe('a_b_c');
  });

  it('stay as they are when a part is not known', () => {
    expect(chinese('spindle.torque')).toBe('spindle.torque');
    expect(english('x')).toBe('x');
  });
});
