/** Series as the collector tells them, made ready to be drawn. */
import type { Value } from '../../../api/types';

/** Readings by column. */
interface Raw {
  times: number[];
  values: Value[];
  flaws: { at: number; quality: string; reason: string }[];
}

/** Windows of numbers. */
interface Numbers {
  times: number[];
  count: number[];
  min: number[];
  max: number[];
  sum: number[];
  first: number[];
  last: number[];
}

/** Windows of words. */
interface WordWindows {
  times: number[];
  spent_ms: Record<string, number>[];
  last: (string | null)[];
}

/** A time of which an answer may lack something: `damaged`, `filling` (being read again) or `late`. */
export interface Incomplete {
  from_ms: number;
  to_ms: number;
  reason: string;
}

export type PointSeries = { point: string; unit: string; levels: string[]; incomplete: Incomplete[] } & (
  | Raw
  | Numbers
  | WordWindows
);

export interface SeriesAnswer {
  device: string;
  /** `raw`, or the length of a window in seconds. */
  resolution: string;
  series: PointSeries[];
}

/** A line with the band between the least and the greatest. `null` breaks it. */
export interface Line {
  times: number[];
  values: (number | null)[];
  min?: (number | null)[];
  max?: (number | null)[];
  /** Stands as it is until the next reading. */
  stepped: boolean;
}

/** A time in a state; several at once, with their shares, when a window saw more than one. */
export interface Band {
  from: number;
  to: number;
  spent: [word: string, share: number][];
}

const LENGTHS_S = [60, 300, 900, 3_600, 21_600, 86_400, 604_800];
const HOUR = 3_600_000;
/** Raw readings are sent again at least this often; a longer silence is a hole, not a line. */
const RAW_SILENCE_MS = 15 * 60_000;

/** Raw while it can be drawn, then windows of about a pixel and a half each. */
export function resolutionFor(rangeMs: number, widthPx: number): string {
  if (rangeMs <= 2 * HOUR) return 'raw';
  const most = Math.max(200, widthPx / 1.5);
  const seconds = LENGTHS_S.find((each) => rangeMs / (each * 1000) <= most) ?? LENGTHS_S.at(-1) ?? 86_400;
  return `${seconds}s`;
}

/** What any of the points may lack, by time, each stretch once. */
export function incompleteOf(all: readonly PointSeries[]): Incomplete[] {
  const stretches = all
    .flatMap((series) => series.incomplete)
    .sort((a, b) => a.reason.localeCompare(b.reason) || a.from_ms - b.from_ms);
  const joined: Incomplete[] = [];
  for (const next of stretches) {
    const last = joined.at(-1);
    if (last && last.reason === next.reason && next.from_ms <= last.to_ms) {
      last.to_ms = Math.max(last.to_ms, next.to_ms);
    } else {
      joined.push({ ...next });
    }
  }
  return joined.sort((a, b) => a.from_ms - b.from_ms);
}

function isRaw(series: PointSeries): series is PointSeries & Raw {
  return 'values' in series;
}

export function isWords(series: PointSeries): series is PointSeries & WordWindows {
  return 'spent_ms' in series;
}

/** Puts a hole after each time that is followed by too long a silence. */
function withHoles(
  times: number[],
  silenceMs: number,
  columns: (number | null)[][],
): [number[], (number | null)[][]] {
  const out: number[] = [];
  const result: (number | null)[][] = columns.map(() => []);
  times.forEach((time, at) => {
    const before = times[at - 1];
    if (before !== undefined && time - before > silenceMs) {
      out.push(before + 1);
      for (const column of result) column.push(null);
    }
    out.push(time);
    columns.forEach((column, each) => {
      result[each]?.push(column[at] ?? null);
    });
  });
  return [out, result];
}

/** A series of numbers as a line; `null` if it has none. */
export function toLine(series: PointSeries, resolution: string): Line | null {
  if (isRaw(series)) {
    const numbers = series.values.map((value) => (typeof value === 'number' ? value : null));
    if (!numbers.some((value) => value !== null)) return null;
    const [times, [values = []]] = withHoles(series.times, RAW_SILENCE_MS, [numbers]) as [
      number[],
      [(number | null)[]],
    ];
    return { times, values, stepped: true };
  }
  if (isWords(series) || series.times.length === 0) return null;
  const means = series.sum.map((sum, at) => sum / Math.max(1, series.count[at] ?? 1));
  const silence = Number(resolution) * 1000 * 3;
  const [times, columns] = withHoles(series.times, silence, [means, series.min, series.max]);
  const [values = [], min = [], max = []] = columns;
  return { times, values, min, max, stepped: false };
}

/** A series of words as times in states; neighbours in the same state are one. */
export function toBands(series: PointSeries, resolution: string, from: number, to: number): Band[] {
  const bands: Band[] = [];
  const add = (band: Band) => {
    const last = bands.at(-1);
    const isSame =
      last && last.spent.length === 1 && band.spent.length === 1 && last.spent[0]?.[0] === band.spent[0]?.[0];
    if (isSame && band.from - last.to < 1000) last.to = band.to;
    else if (band.to > band.from) bands.push(band);
  };
  if (isRaw(series)) {
    series.times.forEach((time, at) => {
      const value = series.values[at];
      const next = series.times[at + 1] ?? to;
      const word = value === null || value === undefined ? '(bad)' : String(value);
      const until = Math.min(next, time + RAW_SILENCE_MS, to);
      add({ from: Math.max(from, time), to: until, spent: [[word, 1]] });
    });
    return bands;
  }
  if (!isWords(series)) return bands;
  const length = Number(resolution) * 1000;
  series.times.forEach((time, at) => {
    const spent = Object.entries(series.spent_ms[at] ?? {}).filter(([, ms]) => ms > 0);
    const sum = spent.reduce((all, [, ms]) => all + ms, 0);
    if (sum === 0) return;
    const shares = spent.map(([word, ms]): [string, number] => [word, ms / sum]).sort((a, b) => b[1] - a[1]);
    add({ from: Math.max(from, time), to: Math.min(to, time + length), spent: shares });
  });
  return bands;
}

/** Time in each state over all bands, the longest first. */
export function timeInState(bands: readonly Band[]): [word: string, ms: number][] {
  const spent = new Map<string, number>();
  for (const band of bands) {
    for (const [word, share] of band.spent)
      spent.set(word, (spent.get(word) ?? 0) + (band.to - band.from) * share);
  }
  return [...spent].sort((a, b) => b[1] - a[1]);
}

/** Lines over one axis of time, as uPlot takes them: the times of all, and nothing where a line has none. */
export function align(lines: readonly Line[]): { times: number[]; columns: (number | null | undefined)[][] } {
  const times = [...new Set(lines.flatMap((line) => line.times))].sort((a, b) => a - b);
  const place = new Map(times.map((time, at) => [time, at]));
  const columnOf = (own: number[], values: (number | null)[]) => {
    const column: (number | null | undefined)[] = new Array(times.length).fill(undefined);
    own.forEach((time, at) => {
      const index = place.get(time);
      if (index !== undefined) column[index] = values[at] ?? null;
    });
    return column;
  };
  const columns = lines.flatMap((line) => [
    columnOf(line.times, line.values),
    ...(line.min && line.max ? [columnOf(line.times, line.min), columnOf(line.times, line.max)] : []),
  ]);
  return { times, columns };
}
