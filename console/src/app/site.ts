/** The site that pages are about: part of every address, so that an address shows everybody the same. */
import { useNavigate, useSearch } from '@tanstack/react-router';

/** The chosen site, or `null` for all of them. */
export function useSite(): [string | null, (site: string | null) => void] {
  const search = useSearch({ strict: false }) as Record<string, string>;
  const navigate = useNavigate();
  const choose = (site: string | null) => {
    void navigate({
      to: '.',
      search: (before: Record<string, string>) => {
        const { site: _, ...rest } = before;
        return site ? { ...rest, site } : rest;
      },
    } as never);
  };
  return [search['site'] || null, choose];
}
