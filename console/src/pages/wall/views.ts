/** The views of the board, in the order in which it turns. */
export const VIEWS = ['totals', 'sites', 'alarms', 'classes'] as const;
export type ViewName = (typeof VIEWS)[number];

/** The view so many steps on, round and round; the first when the present one is not among them. */
export function nextView(views: readonly ViewName[], from: ViewName, by: number): ViewName {
  const at = views.indexOf(from);
  const first = views[0] ?? 'totals';
  return at < 0 ? first : (views[(at + by + views.length) % views.length] ?? first);
}
