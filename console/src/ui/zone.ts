/** The time zone of a site. */
import { useSites } from '../api/lists';
import { useSite } from '../app/site';
import { DEFAULT_ZONE } from './time';

/** The zone of `site`; without one, of the site that the page is about, or of the only or first one there is. */
export function useZone(site?: string | null): string {
  const sites = useSites();
  const [chosen] = useSite();
  const wanted = site ?? chosen;
  const found = wanted ? sites.find((each) => each.id === wanted) : sites[0];
  return found?.zone || DEFAULT_ZONE;
}
