import { useSites } from '../api/lists';
import { useWords } from '../i18n/words';

/** What a site is called. */
export function SiteName({ id }: { id: string }) {
  const words = useWords();
  const site = useSites().find((each) => each.id === id);
  return <>{words.name(site?.name, id)}</>;
}
