/** Requests to the collector: same origin, signed in by a cookie, problems as errors (RFC 9457). */

/** What went wrong, in the collector's words. `status` is 0 when it could not be reached at all. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly status: number,
    /** The last word of the problem's type: `not-found`, `invalid`, … */
    readonly word: string,
    readonly title: string,
    readonly detail: string,
    readonly problems: readonly string[] = [],
    readonly retryAfterMs: number | null = null,
    /** `detail` in Chinese; empty where nobody wrote it. */
    readonly detailZh: string = '',
  ) {
    super(detail || title);
  }
}

export type QueryValue = string | number | boolean | null | undefined | readonly string[];
export type Query = Readonly<Record<string, QueryValue>>;

interface Options {
  query?: Query | undefined;
  /** Sent as JSON, or as it is when it is a `Blob`. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

const ROOT = '/api/v1';
/** A line that hangs must not leave a page waiting for ever. */
const TIMEOUT_MS = 30_000;
/** Pictures and tables of megabytes go over the line of a phone. */
const UPLOAD_TIMEOUT_MS = 5 * 60_000;

let pageToken = '';
let onSignedOut: () => void = () => {};

/** The token that requests which change something carry; it comes with the session. */
export function setPageToken(token: string): void {
  pageToken = token;
}

/** Told when the collector no longer knows who we are. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Parameters as a query: nothing for what is empty, lists joined by commas. */
export function queryText(query: Query | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === null || value === undefined || value === '') continue;
    if (Array.isArray(value)) {
      if (value.length > 0) search.set(name, value.join(','));
    } else {
      search.set(name, String(value));
    }
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}

/** The address of something under the API, for downloads and pictures. */
export function apiAddress(path: string, query?: Query): string {
  return ROOT + path + queryText(query);
}

async function problemOf(response: Response): Promise<Problem> {
  const retry = Number(response.headers.get('retry-after'));
  const retryAfterMs = Number.isFinite(retry) && retry > 0 ? retry * 1000 : null;
  try {
    const document = (await response.json()) as Record<string, unknown>;
    const word = String(document['type'] ?? '')
      .split(':')
      .pop();
    const problems = Array.isArray(document['problems']) ? document['problems'].map(String) : [];
    const title = String(document['title'] ?? response.statusText);
    return new Problem(
      response.status,
      word || 'problem',
      title,
      String(document['detail'] ?? ''),
      problems,
      retryAfterMs,
      String(document['detail_zh'] ?? ''),
    );
  } catch {
    return new Problem(response.status, 'problem', response.statusText, '', [], retryAfterMs);
  }
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  let body: BodyInit | null = null;
  if (options.body instanceof Blob) {
    body = options.body;
    headers['content-type'] ??= options.body.type || 'application/octet-stream';
  } else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers['content-type'] = 'application/json';
  }
  if (method !== 'GET') headers['x-kouan-page-token'] = pageToken;
  const timeout = AbortSignal.timeout(options.body instanceof Blob ? UPLOAD_TIMEOUT_MS : TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  let response: Response;
  try {
    response = await fetch(apiAddress(path, options.query), { method, headers, body, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, timeout.aborted ? 'timeout' : 'unreachable', 'unreachable', '');
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && problem.word !== 'wrong-password') onSignedOut();
  throw problem;
}

async function json<T>(method: string, path: string, options: Options): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** `path` is what follows `/api/v1`: `/devices`. */
export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) =>
    json<T>('GET', path, { query, ...(signal ? { signal } : {}) }),
  post: <T>(path: string, body?: unknown, query?: Query, headers?: Record<string, string>) =>
    json<T>('POST', path, { body, query, ...(headers ? { headers } : {}) }),
  put: <T>(path: string, body?: unknown, query?: Query) => json<T>('PUT', path, { body, query }),
  patch: <T>(path: string, body?: unknown) => json<T>('PATCH', path, { body }),
  delete: <T>(path: string, query?: Query) => json<T>('DELETE', path, { query }),
};
