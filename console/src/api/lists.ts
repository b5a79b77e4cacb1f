/** Lists by page, and answers that several pages share. */
import { keepPreviousData, type QueryKey, queryOptions, useInfiniteQuery } from '@tanstack/react-query';
import { createContext, useContext, useMemo } from 'react';
import { api, type Query } from './client';
import type { AlarmSummary, Page, Site } from './types';

/** A list of which more is fetched as somebody scrolls. */
export interface PagedList<T> {
  rows: readonly T[];
  /** How many there are in all, if the collector says so. */
  total: number | null;
  hasMore: boolean;
  isFirstLoad: boolean;
  /** Rows of other parameters are shown until these are there. */
  isOld: boolean;
  isFetchingMore: boolean;
  error: Error | null;
  fetchMore: () => void;
  retry: () => void;
}

/** `key` begins with the list's name (`devices`, `alarms`, …), so that the stream finds it. */
export function usePagedList<T>(key: QueryKey, path: string, query: Query, limit = 200): PagedList<T> {
  const result = useInfiniteQuery({
    queryKey: [...key, query],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page<T>>(path, { ...query, limit, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = result;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  return {
    rows,
    total: data?.pages[0]?.total ?? (data && !hasNextPage ? rows.length : null),
    hasMore: hasNextPage,
    isFirstLoad: result.isLoading,
    isOld: result.isPlaceholderData,
    isFetchingMore: isFetchingNextPage,
    error: result.error,
    fetchMore: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    retry: () => void refetch(),
  };
}

/** Pages of a list that are followed to its end; a site has no more. */
const MOST_PAGES = 50;

/** Every row of a list. */
export async function everything<T>(
  path: string,
  query: Record<string, string | null>,
  signal?: AbortSignal,
): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | null = null;
  for (let at = 0; at < MOST_PAGES; at += 1) {
    const page: Page<T> = await api.get<Page<T>>(path, { ...query, limit: 500, cursor }, signal);
    rows.push(...page.items);
    cursor = page.next ?? null;
    if (cursor === null) break;
  }
  return rows;
}

export const sitesQuery = queryOptions({
  queryKey: ['sites'],
  queryFn: async () => (await api.get<Page<Site>>('/sites', { limit: 1000 })).items,
  staleTime: 5 * 60_000,
});

export const NO_SITES: readonly Site[] = [];
/** Asked for once for the whole page: hundreds of times want to know their zone. */
export const SitesContext = createContext<readonly Site[]>(NO_SITES);

/** All sites that the person may see. */
export function useSites(): readonly Site[] {
  return useContext(SitesContext);
}

export const alarmSummaryQuery = (site: string | null) =>
  queryOptions({
    queryKey: ['alarm-summary', { site }],
    queryFn: () => api.get<AlarmSummary>('/alarms/summary', { site }),
  });

export { overviewQuery } from './overview';
