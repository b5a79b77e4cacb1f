/** Areas of sites, and the places that devices say they are in. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { serverNow } from '../ui/now';
import { api } from './client';
import { everything } from './lists';
import type { Area } from './types';

/** What stands between the names of a path: `Hall A / Lane 1`. Devices tell their area so, and filters take it. */
export const AREA_JOINT = ' / ';

export function areaPath(area: Area): string {
  return area.path.join(AREA_JOINT);
}

export const areasQuery = (site: string | null) =>
  queryOptions({
    queryKey: ['areas', { site }],
    queryFn: ({ signal }) => everything<Area>('/areas', { site }, signal),
    staleTime: 60_000,
  });

/** Areas that devices are in without an asset that says so: their agent told them. */
const toldQuery = (site: string | null) =>
  queryOptions({
    queryKey: ['areas', 'told', { site }],
    queryFn: async ({ signal }) => {
      // A moment without length: which groups there are is asked, and nothing of their past.
      const at = String(Math.floor(serverNow()) - 60_000);
      const query = { site, period: 'range', from: at, to: at, by: 'area' };
      const { items } = await api.get<{ items: { key: string }[] }>('/availability/summary', query, signal);
      return items.map(({ key }) => key);
    },
    staleTime: 60_000,
    retry: false,
  });

/** Every path once, with those above it, in the order of people: 2 before 10. */
export function allPaths(areas: readonly Area[], told: readonly string[], language: string): string[] {
  const paths = new Set(areas.map(areaPath));
  for (const path of told) {
    const names = path.split(AREA_JOINT);
    for (let length = 1; length <= names.length; length += 1)
      paths.add(names.slice(0, length).join(AREA_JOINT));
  }
  paths.delete('');
  return [...paths].sort((a, b) => a.localeCompare(b, language, { numeric: true }));
}

/** Paths of all areas of a site, or of all sites; empty while they are not known. */
export function useAreaPaths(site: string | null, language: string, enabled = true): readonly string[] {
  const { data: areas } = useQuery({ ...areasQuery(site), enabled });
  const { data: told } = useQuery({ ...toldQuery(site), enabled });
  return useMemo(() => allPaths(areas ?? [], told ?? [], language), [areas, told, language]);
}
