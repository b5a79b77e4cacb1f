/** The site that pages are about: part of every address, so that an address shows everybody the same. */
import { useRouter } from '@tanstack/react-router';
import { createContext, useCallback, useContext } from 'react';

/** Read once for the whole page: hundreds of links and times want to know it. */
export const SiteContext = createContext<string | null>(null);

/** The chosen site, or `null` for all of them. */
export function useSite(): [string | null, (site: string | null) => void] {
  const site = useContext(SiteContext);
  const router = useRouter();
  const choose = useCallback(
    (next: string | null) => {
      void router.navigate({
        to: '.',
        search: (before: Record<string, string>) => {
          const { site: _, ...rest } = before;
          return next ? { ...rest, site: next } : rest;
        },
      } as never);
    },
    [router],
  );
  return [site, choose];
}
