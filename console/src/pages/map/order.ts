/** Which site needs somebody first. */
import { troubled, unobserved } from '../../api/standing';
import type { Overview } from '../../api/types';
import { SEVERITIES } from '../../ui/badges';

export type SiteSummary = Overview['sites'][number];

/** Worse sites first: by the severity of what is open there, by what does not work, by what nobody observes. */
export function worstFirst(a: SiteSummary, b: SiteSummary): number {
  const rank = (row: SiteSummary) =>
    row.worst_severity ? SEVERITIES.indexOf(row.worst_severity) : SEVERITIES.length;
  return (
    rank(a) - rank(b) ||
    troubled(b.by_level) - troubled(a.by_level) ||
    unobserved(b.by_level) - unobserved(a.by_level) ||
    a.site.localeCompare(b.site)
  );
}
