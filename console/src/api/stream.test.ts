import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Source, Stream, type StreamSettings } from './stream';
import { addEvent, type Batch, emptyBatch, isEmpty } from './stream-batch';
import { cacheWriter, patchPages, patchPoints } from './stream-cache';
import type { Alarm, Device, Page, Point } from './types';

class FakeSource implements Source {
  onerror: ((event: Event) => void) | null = null;
  isClosed = false;
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();
  constructor(readonly address: string) {}
  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(kind, listener);
  }
  close(): void {
    this.isClosed = true;
  }
  tell(kind: string, data: unknown): void {
    this.listeners.get(kind)?.({ data: JSON.stringify(data) } as MessageEvent<string>);
  }
  fail(): void {
    this.onerror?.({} as Event);
  }
}

let sources: FakeSource[];
let frames: (() => void)[];

function draw(): void {
  for (const frame of frames.splice(0)) frame();
}

function start(): { stream: Stream; batches: Batch[] } {
  const settings: StreamSettings = {
    open: (address) => {
      const source = new FakeSource(address);
      sources.push(source);
      return source;
    },
    nextFrame: (callback) => frames.push(callback),
    now: Date.now,
    random: () => 0.5,
  };
  const stream = new Stream(settings);
  const batches: Batch[] = [];
  stream.onBatch((batch) => batches.push(batch));
  stream.start();
  return { stream, batches };
}

const newest = () => sources.at(-1) as FakeSource;

describe('the stream', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    sources = [];
    frames = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is live from its hello on, and knows how wrong this clock is', () => {
    const { stream } = start();
    expect(stream.getState()).toBe('connecting');
    newest().tell('hello', { now_ms: 1_005_000, incarnation: 'a' });
    expect(stream.getState()).toBe('live');
    expect(stream.getOffsetMs()).toBe(5_000);
    stream.stop();
  });

  it('counts as down after two silent ticks, though the connection says nothing', () => {
    const { stream } = start();
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    vi.advanceTimersByTime(10_000);
    newest().tell('tick', { now_ms: 0 });
    vi.advanceTimersByTime(11_000);
    expect(stream.getState()).toBe('live');
    const silent = newest();
    vi.advanceTimersByTime(2_500);
    expect(stream.getState()).toBe('stale');
    expect(silent.isClosed).toBe(true);
    vi.advanceTimersByTime(2_000);
    expect(newest()).not.toBe(silent);
    stream.stop();
  });

  it('comes back after a break and has everything asked for again', () => {
    const { stream, batches } = start();
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    newest().fail();
    expect(stream.getState()).toBe('live');
    vi.advanceTimersByTime(800);
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    draw();
    expect(batches.map((batch) => batch.resync)).toEqual([true]);
    expect(stream.getState()).toBe('live');
    stream.stop();
  });

  it('asks for nothing again when pages waited for its first hello', () => {
    const { stream, batches } = start();
    vi.advanceTimersByTime(2_000);
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    draw();
    expect(batches).toHaveLength(0);
    stream.stop();
  });

  it('has everything asked for again when its first hello came so late that pages were shown without it', () => {
    const { stream, batches } = start();
    vi.advanceTimersByTime(4_000);
    expect(stream.getState()).toBe('stale');
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    draw();
    expect(batches.map((batch) => batch.resync)).toEqual([true]);
    stream.stop();
  });

  it('is stale when it does not come back soon', () => {
    const { stream } = start();
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    for (let second = 0; second < 5; second += 1) {
      newest().fail();
      vi.advanceTimersByTime(1_000);
    }
    expect(stream.getState()).toBe('stale');
    stream.stop();
  });

  it('puts what came between two frames into one batch, the newest of each', () => {
    const { stream, batches } = start();
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    newest().tell('devices', [{ id: 'd', alarms: 1 }]);
    newest().tell('devices', [{ id: 'd', alarms: 2 }]);
    expect(batches).toHaveLength(0);
    draw();
    expect(batches).toHaveLength(1);
    expect(batches[0]?.devices.get('d')).toEqual({ id: 'd', alarms: 2 });
    stream.stop();
  });

  it('opens the next connection before it lets go of the old one when other devices are watched', () => {
    const { stream } = start();
    const first = newest();
    first.tell('hello', { now_ms: 0, incarnation: 'a' });
    const stopWatching = stream.watchDevice('d-1');
    vi.advanceTimersByTime(60);
    expect(newest().address).toBe('/api/v1/stream?devices=d-1');
    expect(first.isClosed).toBe(false);
    newest().tell('hello', { now_ms: 0, incarnation: 'a' });
    expect(first.isClosed).toBe(true);
    stopWatching();
    stream.stop();
  });
});

describe('a batch', () => {
  it('keeps the newer of two changes of an alarm, and ignores what it does not know', () => {
    const batch = emptyBatch();
    addEvent(batch, 'alarms', [{ id: 'a', change: 7 } as Alarm]);
    addEvent(batch, 'alarms', [{ id: 'a', change: 5 } as Alarm]);
    addEvent(batch, 'weather', { rain: true });
    expect(batch.alarms.get('a')?.change).toBe(7);
    expect(isEmpty(emptyBatch())).toBe(true);
    expect(isEmpty(batch)).toBe(false);
  });

  it('joins points of a device', () => {
    const batch = emptyBatch();
    addEvent(batch, 'points', [{ device: 'd', points: [{ point: 'a', value: 1 }] }]);
    addEvent(batch, 'points', [{ device: 'd', points: [{ point: 'b', value: 2 }] }]);
    expect([...(batch.points.get('d')?.keys() ?? [])]).toEqual(['a', 'b']);
  });
});

describe('the cache', () => {
  const device = (id: string): Device =>
    ({ id, label: id, alarms: 0, health: { level: 'working' } }) as Device;

  it('changes only the pages and rows that changed', () => {
    const pages = [{ items: [device('a'), device('b')] }, { items: [device('c')] }];
    const data = { pages, pageParams: [null, 'x'] };
    const ids = new Map([['c', true]]);
    const patched = patchPages(
      data,
      (row) => row.id,
      (row) => ({ ...row, alarms: 3 }),
      ids,
    );
    expect(patched?.pages[0]).toBe(pages[0]);
    expect(patched?.pages[1]?.items[0]?.alarms).toBe(3);
    expect(
      patchPages(
        data,
        (row) => row.id,
        (row) => row,
        new Map([['z', true]]),
      ),
    ).toBe(data);
  });

  it('lays readings over points, and a reading that came is not stale', () => {
    const point = { point: 'a', kind: 'measurement', unit: 'V', decimals: 1, value: 1, stale: true } as Point;
    const [patched] = patchPoints([point], new Map([['a', { point: 'a', value: 2 }]]));
    expect(patched).toEqual({ ...point, value: 2, stale: false });
  });

  it('reaches lists and pages of a device', () => {
    const client = new QueryClient();
    client.setQueryData(['devices', { q: '' }], { pages: [{ items: [device('a')] }], pageParams: [null] });
    client.setQueryData(['device', 'a'], { ...device('a'), points: [], actions: [], bindings: [] });
    const batch = emptyBatch();
    addEvent(batch, 'devices', [{ id: 'a', alarms: 4 }]);
    cacheWriter(client).take(batch);
    expect(
      client.getQueryData<{ pages: { items: Device[] }[] }>(['devices', { q: '' }])?.pages[0]?.items[0]
        ?.alarms,
    ).toBe(4);
    expect(client.getQueryData<Device>(['device', 'a'])?.alarms).toBe(4);
    client.clear();
  });

  it('lays what came while a list was read page by page over the list', async () => {
    const client = new QueryClient();
    const writer = cacheWriter(client);
    const tell = (alarms: number) => {
      const batch = emptyBatch();
      addEvent(batch, 'devices', [{ id: 'a', alarms }]);
      writer.take(batch);
    };
    const key = ['devices', { q: '' }];
    let endOfList: ((page: Page<Device>) => void) | undefined;
    const reading = client.fetchInfiniteQuery({
      queryKey: key,
      queryFn: ({ pageParam }) =>
        pageParam === ''
          ? { items: [device('a')], next: 'x' }
          : new Promise<Page<Device>>((resolve) => {
              endOfList = resolve;
            }),
      initialPageParam: '',
      getNextPageParam: (page: Page<Device>) => page.next,
      pages: 2,
    });
    await vi.waitFor(() => expect(endOfList).toBeDefined());
    tell(4);
    endOfList?.({ items: [device('b')], next: null });
    await reading;
    const alarmsOf = () =>
      client.getQueryData<{ pages: { items: Device[] }[] }>(key)?.pages[0]?.items[0]?.alarms;
    expect(alarmsOf()).toBe(4);
    writer.stop();
    client.clear();
  });

  it('leaves an answer alone that was asked for after the change, and one that comes after it stopped', async () => {
    vi.useFakeTimers({ now: 1_000_000 });
    const client = new QueryClient();
    const writer = cacheWriter(client);
    const batch = emptyBatch();
    addEvent(batch, 'devices', [{ id: 'a', alarms: 4 }]);
    writer.take(batch);
    vi.advanceTimersByTime(1);
    const key = ['device', 'a'];
    await client.fetchQuery({ queryKey: key, queryFn: () => ({ ...device('a'), alarms: 1 }) });
    expect(client.getQueryData<Device>(key)?.alarms).toBe(1);
    const reading = client.fetchQuery({ queryKey: key, queryFn: () => ({ ...device('a'), alarms: 2 }) });
    writer.take(batch);
    writer.stop();
    await reading;
    expect(client.getQueryData<Device>(key)?.alarms).toBe(2);
    client.clear();
    vi.useRealTimers();
  });
});
