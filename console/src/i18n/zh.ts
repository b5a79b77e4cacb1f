/** Every file in `zh/` is a namespace of its name. */
const files = import.meta.glob<Record<string, unknown>>('./zh/*.json', { eager: true, import: 'default' });

export const words = Object.fromEntries(
  Object.entries(files).map(([path, texts]) => [path.replace(/^.*\/|\.json$/g, ''), texts]),
);
