import { describe, expect, it } from 'vitest';
import { forEach } from './bulk';

describe('one thing for many devices', () => {
  it('goes on after a failure and accounts for it', async () => {
    const seen: number[] = [];
    const act = async (id: string) => {
      if (id === 'c') throw new Error('no');
    };
    const account = await forEach(['a', 'b', 'c', 'd'], act, (through) => seen.push(through));
    expect(account.done).toBe(3);
    expect(account.failed.map(({ id }) => id)).toEqual(['c']);
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('keeps only a few on their way, and does each once', async () => {
    let open = 0;
    let most = 0;
    const ids = Array.from({ length: 40 }, (_, at) => String(at));
    const done: string[] = [];
    await forEach(ids, async (id) => {
      open += 1;
      most = Math.max(most, open);
      await Promise.resolve();
      open -= 1;
      done.push(id);
    });
    expect(most).toBeLessThanOrEqual(6);
    expect(done.sort()).toEqual([...ids].sort());
  });

  it('has nothing to do for nobody', async () => {
    expect(await forEach([], () => Promise.reject(new Error('never')))).toEqual({ done: 0, failed: [] });
  });
});
