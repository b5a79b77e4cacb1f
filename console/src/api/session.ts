/** Who is signed in, and what they may do. */
import { type QueryClient, queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, Problem, setPageToken } from './client';
import { mayAt } from './rights';
import type { Right, Session } from './types';

export const SESSION_KEY = ['session'] as const;

async function fetchSession(): Promise<Session | null> {
  try {
    const session = await api.get<Session>('/session');
    setPageToken(session.page_token);
    return session;
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) return null;
    throw problem;
  }
}

export const sessionQuery = queryOptions({
  queryKey: SESSION_KEY,
  queryFn: fetchSession,
  staleTime: 5 * 60_000,
});

/** The session of a page that is only shown to people who signed in. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery);
  if (!data) throw new Error('a page was shown without a session');
  return data;
}

/** Whether the person may do something: at a site, or anywhere when none is named. */
export function useMay(): (right: Right, site?: string | null) => boolean {
  const { rights, grants } = useSession();
  return (right, site) => (site ? mayAt(grants, right, site) : rights.includes(right));
}

/** The same, of one thing. */
export function useRight(right: Right, site?: string | null): boolean {
  return useMay()(right, site);
}

/** Whether the person ended the session, and not the collector. */
let hasLeft = false;

/** Whether somebody who sees the sign-in page went there on purpose. */
export function wentOnPurpose(): boolean {
  return hasLeft;
}

export async function signIn(name: string, password: string): Promise<Session> {
  const session = await api.post<Session>('/session', { name, password });
  setPageToken(session.page_token);
  hasLeft = false;
  return session;
}

/** Takes the pages away and forgets everything they showed, so that the next person sees nothing of it. */
export function forgetSession(client: QueryClient): void {
  setPageToken('');
  // What removes queries tells no observer: the session is emptied, which takes the pages away, and stays.
  client.setQueryData(SESSION_KEY, null);
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== 'session' });
}

/** Ends the session. One that had ended already is no problem. */
export async function signOut(client: QueryClient): Promise<void> {
  try {
    await api.delete('/session');
  } catch (problem) {
    if (!(problem instanceof Problem && problem.status === 401)) throw problem;
  }
  hasLeft = true;
  forgetSession(client);
}

export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return () => signOut(client);
}

/** Whether the collector has an identity provider: it answers with a way there, or that there is none. */
export const providerQuery = queryOptions({
  queryKey: ['session', 'provider'],
  queryFn: async () => {
    const response = await fetch('/api/v1/session/oidc', { redirect: 'manual' });
    return response.type === 'opaqueredirect';
  },
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});
