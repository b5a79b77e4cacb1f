/** Parameters of a page in its address: read with care, written without defaults, the same for whoever opens it. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';

/** How a parameter is read from text and written again; what cannot be read is its default. */
export interface Param<T> {
  fallback: T;
  read: (text: string) => T | undefined;
  write: (value: T) => string;
}

/** Free text. */
export function text(fallback = ''): Param<string> {
  return { fallback, read: (value) => value.slice(0, 200), write: (value) => value };
}

/** One of some words. */
export function word<const W extends string>(words: readonly W[], fallback: W): Param<W> {
  return { fallback, read: (value) => words.find((each) => each === value), write: (value) => value };
}

/** Several words, separated by commas; empty for none. */
export function words<const W extends string = string>(known?: readonly W[]): Param<readonly W[]> {
  const read = (value: string) => {
    const parts = value.split(',').filter((part) => part !== '') as W[];
    return known ? parts.filter((part) => known.includes(part)) : parts;
  };
  return { fallback: [], read, write: (value) => value.join(',') };
}

export function flag(fallback = false): Param<boolean> {
  return {
    fallback,
    read: (value) => (value === '1' ? true : value === '0' ? false : undefined),
    write: (value) => (value ? '1' : '0'),
  };
}

/** A whole number, such as milliseconds since 1970; `null` for none. */
export function whole(): Param<number | null> {
  return {
    fallback: null,
    read: (value) => (/^-?\d{1,16}$/.test(value) ? Number(value) : undefined),
    write: (value) => (value === null ? '' : String(value)),
  };
}

export type Params = Record<string, Param<never>>;
type ValueOf<P> = P extends Param<infer T> ? T : never;
export type Values<P> = { [K in keyof P]: ValueOf<P[K]> };

/** Values of an address. */
export function readParams<P extends object>(params: P, search: Record<string, unknown>): Values<P> {
  const entries = Object.entries(params as Record<string, Param<unknown>>).map(([name, param]) => {
    const value = search[name];
    const read = typeof value === 'string' ? param.read(value) : undefined;
    return [name, read ?? param.fallback];
  });
  return Object.fromEntries(entries) as Values<P>;
}

/** An address's parameters with some of them changed; those at their default are left out. */
export function writeParams<P extends object>(
  params: P,
  search: Record<string, unknown>,
  change: Partial<Values<P>>,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(search)) if (typeof value === 'string') result[name] = value;
  for (const [name, value] of Object.entries(change)) {
    const param = (params as Record<string, Param<unknown>>)[name];
    if (!param) continue;
    const written = param.write(value);
    if (written === '' || written === param.write(param.fallback)) delete result[name];
    else result[name] = written;
  }
  return result;
}

export type SetParams<P> = (change: Partial<Values<P>>, options?: { push?: boolean }) => void;

/** The page's parameters, and how to change them. A change replaces the address unless `push` asks for a step back. */
export function useParams<P extends object>(params: P): [Values<P>, SetParams<P>] {
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const values = useMemo(() => readParams(params, search), [params, search]);
  const set = useCallback<SetParams<P>>(
    (change, options) => {
      void navigate({
        to: '.',
        replace: !options?.push,
        search: (before: Record<string, unknown>) => writeParams(params, before, change),
      } as never);
    },
    [navigate, params],
  );
  return [values, set];
}

/** Addresses hold plain texts: `?q=007` stays `007`. */
export function parseSearch(search: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(search));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const entries = Object.entries(search).filter(([, value]) => typeof value === 'string' && value !== '');
  const query = new URLSearchParams(entries as [string, string][]).toString().replaceAll('%2C', ',');
  return query ? `?${query}` : '';
}
