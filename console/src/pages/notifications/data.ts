import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { Page } from '../../api/types';
import type { Channel, Route } from './types';

export const channelsQuery = queryOptions({
  queryKey: ['notification-channels'],
  queryFn: async () => (await api.get<Page<Channel>>('/notification-channels', { limit: 1000 })).items,
});

export const routesQuery = queryOptions({
  queryKey: ['notification-routes'],
  queryFn: async () => (await api.get<Page<Route>>('/notification-routes', { limit: 1000 })).items,
});
