import { expect, it } from 'vitest';
import { linesOf, neighboursOf, wrongWith } from './lines';

const line = (asset: string, port = '', their_port = '') => ({ asset, port, their_port });

it('sends what was filled in, trimmed, and no line that was left empty', () => {
  const lines = linesOf([line('t-1', ' 24 ', '1'), line('', ' ', ''), line('t-2')]);
  expect(neighboursOf(lines)).toEqual([line('t-1', '24', '1'), line('t-2')]);
});

it('says what is wrong before it is sent', () => {
  expect(
    wrongWith(linesOf([line('t-1', '24', '1'), line('t-2', '23', '1'), line('t-3'), line('')])),
  ).toBeNull();
  expect(wrongWith(linesOf([line('', '24')]))).toBe('asset');
  expect(wrongWith(linesOf([line('t-1', 'a|b')]))).toBe('port');
  expect(wrongWith(linesOf([line('t-1', '24'), line('t-2', '24')]))).toBe('twice');
  expect(wrongWith(linesOf([line('t-1'), line('t-1')]))).toBe('twice');
});
