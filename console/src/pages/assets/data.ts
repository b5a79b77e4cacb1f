/** Assets, areas and the topology, as pages ask for them. */
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '../../api/client';
import { useStreamBatch } from '../../api/live';
import type { Health, HealthLevel } from '../../api/types';
import type { Asset, Position, Topology, TopologyNode } from './types';

export const assetQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id],
    queryFn: () => api.get<Asset>(`/assets/${encodeURIComponent(id)}`),
  });

export const positionsQuery = (area: string) =>
  queryOptions({
    queryKey: ['positions', area],
    queryFn: async () => {
      type Answer = { positions?: Position[]; items?: Position[]; revision?: string };
      const answer = await api.get<Answer>(`/areas/${encodeURIComponent(area)}/positions`);
      return { positions: answer.positions ?? answer.items ?? [], revision: answer.revision };
    },
  });

export const topologyQuery = (site: string | null) =>
  queryOptions({
    queryKey: ['topology', { site }],
    queryFn: () => api.get<Topology>('/topology', { site }),
    staleTime: 60_000,
  });

/** How far a node's device can be used; an asset without a device is not known. */
export function levelOf(node: { health: Health | HealthLevel | null }): HealthLevel {
  if (node.health === null) return 'unknown';
  return typeof node.health === 'string' ? node.health : node.health.level;
}

/** Whether the level is how it is now, as far as the collector knows. */
export function isCurrent(node: { health: Health | HealthLevel | null; current?: boolean | null }): boolean {
  // The stream tells the whole health, which is newer than the answer that told the level alone.
  return (typeof node.health === 'object' ? node.health?.current : node.current) !== false;
}

/** How everything of a site hangs together, with health and alarms as they are now. */
export function useTopology(site: string | null) {
  const client = useQueryClient();
  useStreamBatch((batch) => {
    if (batch.devices.size === 0) return;
    client.setQueryData<Topology>(['topology', { site }], (data) => {
      if (!data) return data;
      let touched = false;
      const nodes = data.nodes.map((node): TopologyNode => {
        const change = node.device ? batch.devices.get(node.device) : undefined;
        if (!change) return node;
        touched = true;
        return { ...node, health: change.health ?? node.health, alarms: change.alarms ?? node.alarms };
      });
      return touched ? { ...data, nodes } : data;
    });
  });
  return useQuery(topologyQuery(site));
}
