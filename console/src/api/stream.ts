/**
 * The live stream: one connection for the whole page, watched by its ticks.
 *
 * A stream that says nothing for longer than two ticks counts as down, whatever the browser thinks of the connection:
 * a dead line looks just like a quiet one until somebody counts.
 */
import { addEvent, type Batch, emptyBatch, isEmpty } from './stream-batch';

/** `live`: what is shown is how it is. `connecting`: not known yet. `stale`: it was so, and may be so no longer. */
export type StreamState = 'connecting' | 'live' | 'stale';

const KINDS = ['devices', 'points', 'alarms', 'agents', 'commands', 'resync'] as const;
/** Two ticks and some patience. */
const SILENCE_MS = 12_000;
/** How long a broken connection may take to come back before what is shown counts as old. */
const GRACE_MS = 3_000;
const RETRY_FIRST_MS = 700;
const RETRY_MOST_MS = 15_000;

/** What a connection needs of `EventSource`. */
export interface Source {
  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
  onerror: ((event: Event) => void) | null;
}

export interface StreamSettings {
  open: (address: string) => Source;
  /** Calls back once, when the screen is drawn next. */
  nextFrame: (callback: () => void) => void;
  now: () => number;
  random: () => number;
}

/** A hidden page draws no frames; changes are then taken once a second. */
function nextFrame(callback: () => void): void {
  if (document.hidden) setTimeout(callback, 1000);
  else requestAnimationFrame(callback);
}

const BROWSER: StreamSettings = {
  open: (address) => new EventSource(address),
  nextFrame,
  now: Date.now,
  random: Math.random,
};

export class Stream {
  private state: StreamState = 'connecting';
  private source: Source | null = null;
  /** A connection that is being opened with other devices while the old one still works. */
  private successor: Source | null = null;
  private readonly watched = new Map<string, number>();
  private batch: Batch = emptyBatch();
  private flushWaits = false;
  private lastHeard = 0;
  private lostAt: number | null = null;
  private retries = 0;
  private running = false;
  private wasLive = false;
  private incarnation = '';
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private reopenTimer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setInterval> | undefined;
  private readonly stateListeners = new Set<() => void>();
  private readonly batchListeners = new Set<(batch: Batch) => void>();
  private offsetMs = 0;

  constructor(private readonly settings: StreamSettings = BROWSER) {}

  getState = (): StreamState => this.state;

  /** When something was last heard, by this machine's clock; 0 for never. */
  getLastHeard = (): number => this.lastHeard;

  /** How far the collector's clock is ahead of this machine's. */
  getOffsetMs = (): number => this.offsetMs;

  onState = (listener: () => void): (() => void) => {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  };

  onBatch = (listener: (batch: Batch) => void): (() => void) => {
    this.batchListeners.add(listener);
    return () => this.batchListeners.delete(listener);
  };

  start(): void {
    if (this.running) return;
    this.running = true;
    this.lostAt = this.settings.now();
    this.connect();
    this.watchdog = setInterval(() => this.watch(), 1000);
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.retryTimer);
    clearTimeout(this.reopenTimer);
    clearInterval(this.watchdog);
    this.source?.close();
    this.successor?.close();
    this.source = null;
    this.successor = null;
    this.wasLive = false;
    this.batch = emptyBatch();
    this.setState('connecting');
  }

  /** Asks for the points of a device too, until the returned function is called. */
  watchDevice(id: string): () => void {
    const count = this.watched.get(id) ?? 0;
    this.watched.set(id, count + 1);
    if (count === 0) this.reopenSoon();
    return () => {
      const left = (this.watched.get(id) ?? 1) - 1;
      if (left > 0) this.watched.set(id, left);
      else this.watched.delete(id);
      // What is told too much does no harm; it ends with the next change.
    };
  }

  private address(): string {
    const ids = [...this.watched.keys()].sort();
    return ids.length > 0
      ? `/api/v1/stream?devices=${ids.map(encodeURIComponent).join(',')}`
      : '/api/v1/stream';
  }

  private connect(): void {
    this.source?.close();
    this.source = this.listen(false);
  }

  /** Opens the next connection first and lets go of the old one afterwards, so that nothing is missed in between. */
  private reopenSoon(): void {
    clearTimeout(this.reopenTimer);
    this.reopenTimer = setTimeout(() => {
      if (!this.running || !this.source) return;
      this.successor?.close();
      this.successor = this.listen(true);
    }, 50);
  }

  private listen(isSuccessor: boolean): Source {
    const source = this.settings.open(this.address());
    source.addEventListener('hello', (event) => this.hello(source, event.data, isSuccessor));
    source.addEventListener('tick', (event) => this.heard(source, event.data));
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (source !== this.source) return;
        this.heard(source, null);
        this.add(kind, event.data);
      });
    }
    source.onerror = () => this.lost(source);
    return source;
  }

  private hello(source: Source, data: string, isSuccessor: boolean): void {
    if (source === this.successor) {
      this.source?.close();
      this.source = source;
      this.successor = null;
    }
    if (source !== this.source) return;
    // Pages wait for the stream, but not for ever: those that stand without it were read before it told changes.
    const mayHaveMissed = this.wasLive ? !isSuccessor : this.state === 'stale';
    this.heard(source, data);
    const incarnation = String((parse(data) as { incarnation?: unknown } | null)?.incarnation ?? '');
    const isOther = this.incarnation !== '' && incarnation !== this.incarnation;
    this.incarnation = incarnation;
    // After a break nobody knows what was missed; after a change of devices their points may be older than asked.
    if (isOther || mayHaveMissed) this.add('resync', '{}');
    if (isSuccessor)
      this.add('points', JSON.stringify([...this.watched.keys()].map((device) => ({ device, points: [] }))));
    this.wasLive = true;
  }

  private heard(source: Source, data: string | null): void {
    if (source !== this.source) return;
    this.lastHeard = this.settings.now();
    this.lostAt = null;
    this.retries = 0;
    const now = data === null ? null : (parse(data) as { now_ms?: unknown } | null)?.now_ms;
    if (typeof now === 'number') this.offsetMs = now - this.lastHeard;
    this.setState('live');
  }

  private lost(source: Source): void {
    source.close();
    if (source === this.successor) {
      this.successor = null;
      return;
    }
    if (source !== this.source) return;
    this.source = null;
    this.lostAt ??= this.settings.now();
    this.retryLater();
  }

  private retryLater(): void {
    if (!this.running) return;
    clearTimeout(this.retryTimer);
    const most = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.retries);
    this.retries += 1;
    // Hundreds of screens lose the collector in the same instant, and must not come back in the same one.
    this.retryTimer = setTimeout(() => this.connect(), most * (0.5 + this.settings.random()));
  }

  private watch(): void {
    const now = this.settings.now();
    if (this.state === 'live' && now - this.lastHeard > SILENCE_MS) {
      this.lostAt = now - GRACE_MS;
      this.source?.close();
      this.source = null;
      this.retryLater();
    }
    if (this.lostAt !== null && now - this.lostAt >= GRACE_MS) this.setState('stale');
  }

  private add(kind: string, text: string): void {
    const data = parse(text);
    if (data === null) return;
    addEvent(this.batch, kind, data);
    if (this.flushWaits || isEmpty(this.batch)) return;
    this.flushWaits = true;
    this.settings.nextFrame(() => this.flush());
  }

  private flush(): void {
    this.flushWaits = false;
    const batch = this.batch;
    this.batch = emptyBatch();
    if (isEmpty(batch)) return;
    for (const listener of this.batchListeners) listener(batch);
  }

  private setState(state: StreamState): void {
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.stateListeners) listener();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The page's stream. */
export const stream = new Stream();
