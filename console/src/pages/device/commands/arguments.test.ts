import { describe, expect, it } from 'vitest';
import { type ArgumentSpec, checkArguments } from './arguments';

const spec = (name: string, kind: ArgumentSpec['kind'], more: Partial<ArgumentSpec> = {}): ArgumentSpec => ({
  name,
  kind,
  required: true,
  min: null,
  max: null,
  choices: [],
  ...more,
});

describe('arguments of an action', () => {
  const specs = [
    spec('channel', 'integer', { min: 1, max: 8 }),
    spec('on', 'flag'),
    spec('seconds', 'number', { required: false, max: 30 }),
    spec('direction', 'text', { choices: ['in', 'out'] }),
  ];

  it('become numbers, truths and words', () => {
    const typed = { channel: '3', on: 'false', seconds: '0.5', direction: 'in' };
    expect(checkArguments(specs, typed)).toEqual({
      values: { channel: 3, on: false, seconds: 0.5, direction: 'in' },
      problems: {},
    });
  });

  it('leave out what is not needed, and tell every problem', () => {
    const { values, problems } = checkArguments(specs, { channel: '2.5', seconds: '31', direction: 'up' });
    expect(values).toEqual({});
    expect(problems).toEqual({
      channel: 'notWhole',
      on: 'missing',
      seconds: 'outOfRange',
      direction: 'notChoice',
    });
    expect(checkArguments(specs, { channel: '9', on: 'true', direction: 'in' }).problems).toEqual({
      channel: 'outOfRange',
    });
    expect(checkArguments(specs, { channel: 'x', on: 'true', direction: 'in' }).problems).toEqual({
      channel: 'notNumber',
    });
  });
});
