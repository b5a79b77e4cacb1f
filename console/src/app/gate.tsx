/** Lets only people in who signed in, and keeps the address for afterwards. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useStreamState } from '../api/live';
import { sessionQuery, wentOnPurpose } from '../api/session';
import { stream } from '../api/stream';
import { cacheWriter } from '../api/stream-cache';
import { FirstPassword } from '../pages/sign-in/first-password';
import { SignIn } from '../pages/sign-in/sign-in';
import { ProblemState } from '../ui/states';

export function Gate({ children }: { children: React.ReactNode }) {
  const client = useQueryClient();
  const { data: session, error, refetch, isPending } = useQuery(sessionQuery);
  const isIn = session !== null && session !== undefined && !session.must_change_password;
  // What is read before the stream tells changes may have changed since. Without a stream pages are shown as old.
  const isConnecting = useStreamState() === 'connecting';
  const wasIn = useRef(false);
  useEffect(() => {
    if (isIn) wasIn.current = true;
  }, [isIn]);
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
