/** Lets only people in who signed in, and keeps the address for afterwards. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useStreamState } from '../api/live';
import { SESSION_KEY, sessionQuery, wentOnPurpose } from '../api/session';
import { stream } from '../api/stream';
import { cacheWriter } from '../api/stream-cache';
import { FirstPassword } from '../pages/sign-in/first-password';
import { SignIn } from '../pages/sign-in/sign-in';
import { ProblemState } from '../ui/states';

/** How often it is asked whether the session still is, while the stream is down. */
const SESSION_EVERY_MS = 15_000;

export function Gate({ children }: { children: React.ReactNode }) {
  const client = useQueryClient();
  const { data: session, error, refetch, isPending } = useQuery(sessionQuery);
  const isIn = session !== null && session !== undefined && !session.must_change_password;
  // What is read before the stream tells changes may have changed since. Without a stream pages are shown as old.
  const state = useStreamState();
  const isConnecting = state === 'connecting';
  const wasIn = useRef(false);
  useEffect(() => {
    if (isIn) wasIn.current = true;
  }, [isIn]);
  // A stream that ended may have been ended with the session; the stream itself cannot tell why.
  useEffect(() => {
    if (!isIn || state !== 'stale') return;
    const ask = () => void client.refetchQueries({ queryKey: SESSION_KEY, exact: true });
    ask();
    const timer = setInterval(ask, SESSION_EVERY_MS);
    return () => clearInterval(timer);
  }, [isIn, state, client]);
  useEffect(() => {
    if (!isIn) return;
    const writer = cacheWriter(client);
    const stopWriting = stream.onBatch(writer.take);
    stream.start();
    return () => {
      stream.stop();
      stopWriting();
      writer.stop();
    };
  }, [isIn, client]);

  if (isPending) return null;
  if (error && session === undefined) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!session) return <SignIn hasEnded={wasIn.current && !wentOnPurpose()} />;
  if (session.must_change_password) return <FirstPassword session={session} />;
  if (isConnecting) return null;
  return children;
}
