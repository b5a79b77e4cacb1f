/** The same thing done to many devices, a few at a time, with an account of what failed. */

export interface Account {
  done: number;
  failed: { id: string; error: unknown }[];
}

/** How many requests are on their way at once: a page of hundreds must not crowd out everybody else. */
const AT_ONCE = 6;

/** Calls `act` for each id; `progress` hears how many are through. One failure does not stop the rest. */
export async function forEach(
  ids: readonly string[],
  act: (id: string) => Promise<unknown>,
  progress: (through: number) => void = () => {},
): Promise<Account> {
  const account: Account = { done: 0, failed: [] };
  let next = 0;
  let through = 0;
  const worker = async () => {
    while (next < ids.length) {
      const id = ids[next++];
      if (id === undefined) return;
      try {
        await act(id);
        account.done += 1;
      } catch (error) {
        account.failed.push({ id, error });
      }
      through += 1;
      progress(through);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, worker));
  return account;
}
