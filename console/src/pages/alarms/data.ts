/** What the desk asks and says. */
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { api } from '../../api/client';
import { type PagedList, usePagedList } from '../../api/lists';
import { useStreamBatch } from '../../api/live';
import { merge } from './order';
import { type DeskSearch, matches, toQuery } from './search';
import type { ActRequest, ActResult, Alarm, AlarmDetail } from './types';

/** Changes are laid over a list until it has certainly been asked for again. */
const OVERLAY_MS = 15_000;
/** Most alarms that one request may name. */
const AT_ONCE = 1000;

export const alarmQuery = (id: string) =>
  queryOptions({
    queryKey: ['alarm', id],
    queryFn: ({ signal }) => api.get<AlarmDetail>(`/alarms/${encodeURIComponent(id)}`, undefined, signal),
  });

export interface DeskList {
  list: PagedList<Alarm>;
  alarms: Alarm[];
}

/** The alarms of an address, with what the stream told since laid over them. */
export function useDeskAlarms(search: DeskSearch, me: string): DeskList {
  const list = usePagedList<Alarm>(['alarms', 'desk'], '/alarms', toQuery(search));
  const told = useRef(new Map<string, { alarm: Alarm; at: number }>());
  const [, redraw] = useState(0);
  useStreamBatch((batch) => {
    if (batch.resync) told.current.clear();
    if (batch.alarms.size === 0) return;
    const now = Date.now();
    for (const [id, { at }] of told.current) if (now - at > OVERLAY_MS) told.current.delete(id);
    for (const [id, alarm] of batch.alarms) told.current.set(id, { alarm, at: now });
    redraw((count) => count + 1);
  });
  const changed = [...told.current.values()].map(({ alarm }) => alarm);
  const belongs = (alarm: Alarm) => matches(alarm, search, me);
  return { list, alarms: merge([...list.rows], changed, search.order, belongs).alarms };
}

/** Calls with the alarms that changed. */
export function useAlarmChanges(listener: (changed: Alarm[]) => void): void {
  useStreamBatch((batch) => {
    if (batch.alarms.size > 0) listener([...batch.alarms.values()]);
  });
}

/** Does something to alarms, however many. */
export function useAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (request: ActRequest): Promise<ActResult[]> => {
      const results: ActResult[] = [];
      for (let at = 0; at < request.ids.length; at += AT_ONCE) {
        const part = { ...request, ids: request.ids.slice(at, at + AT_ONCE) };
        results.push(...(await api.post<{ results: ActResult[] }>('/alarms/act', part)).results);
      }
      return results;
    },
    onSettled: (_results, _error, request) => {
      void client.invalidateQueries({ queryKey: ['alarms'] });
      void client.invalidateQueries({ queryKey: ['alarm-summary'] });
      for (const id of request.ids.slice(0, 20)) void client.invalidateQueries({ queryKey: ['alarm', id] });
    },
  });
}

/** People to whom an alarm can be given. Only administrators may list people; others give alarms to themselves. */
export interface Assignee {
  id: string;
  name: string;
}
