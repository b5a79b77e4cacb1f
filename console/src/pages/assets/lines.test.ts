import { expect, test } from 'vitest';
import { daysUntil, firstExpiry } from './dates';
import { documentsText, licencesText, readDocuments, readLicences } from './lines';

test('licences and documents survive the form', () => {
  const licences = [
    { name: 'Recording, 64 channels', until: '2027-06-30' },
    { name: 'a | b', until: '2028-01-01' },
    { name: 'for ever', until: null },
  ];
  expect(readLicences(licencesText(licences))).toEqual(licences);
  expect(readLicences('\n  \n')).toEqual([]);
  const documents = [{ name: '手册', url: 'https://example.com/a?b=c' }];
  expect(readDocuments(documentsText(documents))).toEqual(documents);
  expect(readDocuments('https://example.com')).toEqual([
    { name: 'https://example.com', url: 'https://example.com' },
  ]);
});

test('the first end of warranty and licences counts, and today is not past', () => {
  const licences = [
    { name: 'a', until: '2027-01-01' },
    { name: 'b', until: null },
  ];
  expect(firstExpiry({ warranty_until: '2028-01-01', licences })).toBe('2027-01-01');
  expect(firstExpiry({ warranty_until: null, licences: [] })).toBeNull();
  const noon = Date.parse('2026-11-22T12:00:00Z');
  expect(daysUntil('2026-11-22', noon)).toBe(0);
  expect(daysUntil('2026-11-21', noon)).toBe(-1);
  expect(daysUntil('2026-11-24', noon)).toBe(2);
});
