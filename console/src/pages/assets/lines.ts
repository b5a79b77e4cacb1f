/** Licences and documents as lines of text: `name | 2027-06-30`, `name | https://…`. */
import type { Document, Licence } from './types';

function parts(text: string): [string, string][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const at = line.lastIndexOf('|');
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    });
}

export function licencesText(licences: readonly Licence[]): string {
  return licences.map(({ name, until }) => (until ? `${name} | ${until}` : name)).join('\n');
}

export function readLicences(text: string): Licence[] {
  return parts(text).map(([name, until]) => ({ name, until: until || null }));
}

export function documentsText(documents: readonly Document[]): string {
  return documents.map(({ name, url }) => (url ? `${name} | ${url}` : name)).join('\n');
}

/** A line that is only an address is called by it. */
export function readDocuments(text: string): Document[] {
  return parts(text).map(([name, url]) => ({ name, url: url || name }));
}
