import { expect, it } from 'vitest';
import type { Window } from '../maintenance/types';
import { concerns } from './under-maintenance';

const device = { id: 'd-1', site: 'hall', area: 'East / Lane 1', class: 'camera' };
const of = (window: Partial<Window>) => concerns({ site: 'hall', ...window } as Window, device);

it('a window is about the devices that it names, and those within its area', () => {
  expect(of({})).toBe(true);
  expect(of({ site: 'yard' })).toBe(false);
  expect(of({ device: 'd-1' })).toBe(true);
  expect(of({ device: 'd-2' })).toBe(false);
  expect(of({ area: 'East' })).toBe(true);
  expect(of({ area: 'East / Lane 1' })).toBe(true);
  expect(of({ area: 'East / Lane' })).toBe(false);
  expect(of({ class: 'camera' })).toBe(true);
  expect(of({ area: 'East', class: 'kiosk' })).toBe(false);
});
