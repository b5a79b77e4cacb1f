import { expect, it } from 'vitest';
import { valueText } from './value-text';

it('tells lists by what they say, and nothing as nothing', () => {
  expect(valueText('A01')).toBe('A01');
  expect(valueText(12)).toBe('12');
  for (const nothing of [null, undefined, '', [], {}]) expect(valueText(nothing)).toBe('—');
  expect(valueText(['a', 'b'])).toBe('a; b');
  const neighbours = [
    { asset: 't-1', port: 'GE0/0/24', their_port: 'eth0' },
    { asset: 't-2', port: '', their_port: '' },
  ];
  expect(valueText(neighbours)).toBe('t-1 · GE0/0/24 · eth0; t-2');
});
