import { expect, it } from 'vitest';
import { detailText } from './words';

it('tells details without the marks of a program', () => {
  expect(detailText(null)).toBe('');
  expect(detailText('why')).toBe('why');
  expect(detailText({ label: '闸机', area: '', own: false, sites: ['a', 'b'] })).toBe(
    'label: 闸机 · own: false · sites: a; b',
  );
  const changes = [
    { field: 'parent', from: null, to: 't-1' },
    { field: 'model', from: 'A', to: 'B' },
  ];
  expect(detailText({ changes })).toBe('changes: parent: — → t-1; model: A → B');
});
