/** A value of an asset's field, as a change of it is told. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '—';
  if (typeof value !== 'object') return String(value);
  // Lists of licences, documents, neighbours: what each of them says, without the names of its fields.
  const parts = Array.isArray(value) ? value : Object.values(value);
  const separator = Array.isArray(value) ? '; ' : ' · ';
  return (
    parts
      .map(valueText)
      .filter((part) => part !== '—')
      .join(separator) || '—'
  );
}
