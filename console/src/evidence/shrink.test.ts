import { expect, it } from 'vitest';
import { fits, MOST_BYTES, scaled } from './shrink';

it('sends as it is what the collector takes, and nothing else', () => {
  expect(fits({ type: 'image/jpeg', size: MOST_BYTES })).toBe(true);
  expect(fits({ type: 'image/jpeg', size: MOST_BYTES + 1 })).toBe(false);
  expect(fits({ type: 'image/heic', size: 1000 })).toBe(false);
  expect(fits({ type: '', size: 1000 })).toBe(false);
});

it('makes pictures smaller and never larger, whichever side is the long one', () => {
  expect(scaled(8000, 6000, 4096)).toEqual({ width: 4096, height: 3072 });
  expect(scaled(6000, 8000, 4096)).toEqual({ width: 3072, height: 4096 });
  expect(scaled(640, 480, 4096)).toEqual({ width: 640, height: 480 });
  expect(scaled(20_000, 1, 1280)).toEqual({ width: 1280, height: 1 });
});
