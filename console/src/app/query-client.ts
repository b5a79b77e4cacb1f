import { QueryClient } from '@tanstack/react-query';
import { Problem, whenSignedOut } from '../api/client';
import { forgetSession } from '../api/session';

/** Asking again helps when the line or the collector was at fault, not when the question was. */
function mayHelp(problem: Error): boolean {
  return (
    problem instanceof Problem && (problem.status === 0 || problem.status === 429 || problem.status >= 500)
  );
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, problem) => failures < 2 && mayHelp(problem),
      retryDelay: (failures, problem) =>
        (problem instanceof Problem && problem.retryAfterMs) || 600 * 2 ** failures + Math.random() * 400,
      staleTime: 5_000,
      gcTime: 60_000,
      // Without a line to the internet the collector may well be there.
      networkMode: 'always',
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});

whenSignedOut(() => forgetSession(queryClient));
