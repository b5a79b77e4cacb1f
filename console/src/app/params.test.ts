import { describe, expect, it } from 'vitest';
import {
  flag,
  parseSearch,
  readParams,
  stringifySearch,
  text,
  whole,
  word,
  words,
  writeParams,
} from './params';

const params = {
  q: text(),
  sort: word(['worst', 'name'], 'worst'),
  health: words(['working', 'unreachable']),
  open: flag(true),
  from: whole(),
};

describe('parameters in the address', () => {
  it('are read, and what cannot be read is the default', () => {
    const search = { q: '007', sort: 'colour', health: 'unreachable,asleep', open: '0', from: '17x' };
    expect(readParams(params, search)).toEqual({
      q: '007',
      sort: 'worst',
      health: ['unreachable'],
      open: false,
      from: null,
    });
    expect(readParams(params, {})).toEqual({ q: '', sort: 'worst', health: [], open: true, from: null });
  });

  it('are written without defaults, and others are kept', () => {
    const before = { site: 'a', q: 'x', sort: 'name', open: '0' };
    expect(
      writeParams(params, before, { q: '', sort: 'worst', open: true, health: ['working'], from: 5 }),
    ).toEqual({
      site: 'a',
      health: 'working',
      from: '5',
    });
  });

  it('survive the way through an address as they are', () => {
    const search = { q: 'gate 闸机 & 01', health: 'working,unreachable', from: '1795305600000', id: '007' };
    expect(parseSearch(stringifySearch(search))).toEqual(search);
    expect(stringifySearch({ health: 'a,b' })).toBe('?health=a,b');
    expect(stringifySearch({ a: '', b: undefined })).toBe('');
  });
});
