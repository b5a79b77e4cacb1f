/** Puts what the stream tells into the answers that pages show. */
import type { InfiniteData, Query, QueryClient, QueryKey } from '@tanstack/react-query';
import type { Batch, DeviceChange, PointChange } from './stream-batch';
import type { Agent, Alarm, Device, DeviceDetail, Page, Point } from './types';

/** Pages with the rows of `changes` replaced; the same object when none of them is there. */
export function patchPages<T>(
  data: InfiniteData<Page<T>> | undefined,
  idOf: (row: T) => string,
  change: (row: T) => T | undefined,
  ids: ReadonlyMap<string, unknown>,
): InfiniteData<Page<T>> | undefined {
  if (!data?.pages) return data;
  let touched = false;
  const pages = data.pages.map((page) => {
    let items: T[] | null = null;
    page.items.forEach((row, at) => {
      if (!ids.has(idOf(row))) return;
      const next = change(row);
      if (next === undefined || next === row) return;
      items ??= page.items.slice();
      items[at] = next;
    });
    if (!items) return page;
    touched = true;
    return { ...page, items };
  });
  return touched ? { ...data, pages } : data;
}

/** Points with changes laid over them. A point that was not known before waits for the next full answer. */
export function patchPoints(points: Point[], changes: ReadonlyMap<string, PointChange>): Point[] {
  return points.map((point) => {
    const change = changes.get(point.point);
    // A reading that was just told is not stale.
    return change ? { ...point, stale: false, ...change } : point;
  });
}

/** Asks again for what cannot be patched, soon after the first change and then at most every `everyMs`. */
class Refresher {
  private readonly waiting = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly last = new Map<string, number>();

  constructor(private readonly client: QueryClient) {}

  ask(key: QueryKey, everyMs: number): void {
    const name = JSON.stringify(key);
    if (this.waiting.has(name)) return;
    const wait = Math.max(150, (this.last.get(name) ?? 0) + everyMs - Date.now());
    const run = () => {
      this.waiting.delete(name);
      this.last.set(name, Date.now());
      void this.client.invalidateQueries({ queryKey: key }, { cancelRefetch: false });
    };
    this.waiting.set(name, setTimeout(run, wait));
  }
}

type Lists<T> = InfiniteData<Page<T>> | undefined;

function isList(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'pages' in data;
}

type DeviceChanges = ReadonlyMap<string, DeviceChange>;

function patchDevices(data: Lists<Device>, changes: DeviceChanges): Lists<Device> {
  if (!isList(data)) return data;
  return patchPages(
    data,
    (row) => row.id,
    (row) => ({ ...row, ...changes.get(row.id) }),
    changes,
  );
}

function applyDevices(client: QueryClient, changes: DeviceChanges): void {
  client.setQueriesData<Lists<Device>>({ queryKey: ['devices'] }, (data) => patchDevices(data, changes));
  for (const [id, change] of changes) {
    client.setQueryData<DeviceDetail>(['device', id], (data) => data && { ...data, ...change });
  }
}

/** How long a change is kept for answers that were asked for before it came; longer than a request may take. */
const KEPT_MS = 60_000;

/** Lays changes that came while an answer was on its way over it: a list is read page by page, and set at its end. */
class RecentDevices {
  private readonly recent: { changes: DeviceChanges; at: number }[] = [];
  /** When the answer that a query waits for was asked for. */
  private readonly asked = new WeakMap<Query, number>();
  readonly stop: () => void;

  constructor(private readonly client: QueryClient) {
    this.stop = client.getQueryCache().subscribe((event) => {
      if (event.type !== 'updated') return;
      const { query, action } = event;
      if (action.type === 'fetch') this.asked.set(query, Date.now());
      else if (action.type === 'success' && !action.manual) this.layOver(query);
    });
  }

  keep(changes: DeviceChanges): void {
    const at = Date.now();
    this.recent.push({ changes, at });
    const young = this.recent.findIndex((kept) => at - kept.at <= KEPT_MS);
    this.recent.splice(0, young);
  }

  private layOver(query: Query): void {
    const [kind, id] = query.queryKey;
    if (kind !== 'devices' && kind !== 'device') return;
    const since = this.asked.get(query) ?? 0;
    const changes = new Map<string, DeviceChange>();
    for (const kept of this.recent) {
      if (kept.at < since) continue;
      for (const [device, change] of kept.changes) changes.set(device, { ...changes.get(device), ...change });
    }
    if (changes.size === 0) return;
    if (kind === 'devices') {
      this.client.setQueryData<Lists<Device>>(query.queryKey, (data) => patchDevices(data, changes));
      return;
    }
    const change = query.queryKey.length === 2 ? changes.get(String(id)) : undefined;
    if (!change) return;
    this.client.setQueryData<DeviceDetail>(query.queryKey, (data) => data && { ...data, ...change });
  }
}

function applyPoints(client: QueryClient, batch: Batch, refresher: Refresher): void {
  for (const [id, changes] of batch.points) {
    if (changes.size === 0) {
      refresher.ask(['device', id], 1000);
      continue;
    }
    client.setQueryData<DeviceDetail>(
      ['device', id],
      (data) => data && { ...data, points: patchPoints(data.points, changes) },
    );
  }
}

function applyAlarms(client: QueryClient, batch: Batch): void {
  const newer = (row: Alarm): Alarm => {
    const change = batch.alarms.get(row.id);
    return change && change.change >= row.change ? change : row;
  };
  client.setQueriesData<Lists<Alarm>>({ queryKey: ['alarms'] }, (data) =>
    isList(data) ? patchPages(data, (row) => row.id, newer, batch.alarms) : data,
  );
  for (const [id, alarm] of batch.alarms) {
    client.setQueryData<Alarm>(['alarm', id], (data) => data && { ...data, ...alarm });
    void client.invalidateQueries({ queryKey: ['alarm', id] });
  }
}

/** Takes batches until it is stopped. Keys: see the guide in `pages.ts`. */
export function cacheWriter(client: QueryClient): { take: (batch: Batch) => void; stop: () => void } {
  const refresher = new Refresher(client);
  const recent = new RecentDevices(client);
  const take = (batch: Batch) => {
    if (batch.resync) {
      void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
      return;
    }
    if (batch.devices.size > 0) {
      recent.keep(batch.devices);
      applyDevices(client, batch.devices);
    }
    applyPoints(client, batch, refresher);
    if (batch.alarms.size > 0) {
      applyAlarms(client, batch);
      refresher.ask(['alarms'], 2000);
      refresher.ask(['alarm-summary'], 1000);
    }
    if (batch.agents.size > 0) {
      client.setQueriesData<Lists<Agent>>({ queryKey: ['agents'] }, (data) =>
        isList(data)
          ? patchPages(
              data,
              (row) => row.id,
              (row) => ({ ...row, ...batch.agents.get(row.id) }),
              batch.agents,
            )
          : data,
      );
      // Whether a device is told to be as it is now hangs on its agent.
      refresher.ask(['agents'], 1000);
      refresher.ask(['devices'], 2000);
      refresher.ask(['device'], 1000);
      refresher.ask(['topology'], 2000);
    }
    if (batch.commands.size > 0) {
      refresher.ask(['commands'], 1000);
      for (const id of batch.commands.keys()) refresher.ask(['command', id], 300);
    }
    if (batch.devices.size + batch.alarms.size + batch.agents.size > 0) refresher.ask(['overview'], 1500);
  };
  return { take, stop: recent.stop };
}
