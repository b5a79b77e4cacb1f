import { expect, it } from 'vitest';
import { outcomeWord } from './outcome-word';

it('blames the agent only for what it was given', () => {
  const of = (reason: string, handed_out: boolean) => outcomeWord({ state: 'rejected', handed_out, reason });
  expect(of('interlock', true)).toBe('rejected');
  expect(of('cancelled', false)).toBe('cancelled');
  expect(of('cancelled: typed the wrong gate', false)).toBe('cancelled');
  expect(of('the device has moved', false)).toBe('withheld');
  expect(outcomeWord({ state: 'unknown', handed_out: false, reason: 'cancelled' })).toBe('unknown');
});
