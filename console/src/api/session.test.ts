import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, expect, it, vi } from 'vitest';
import { SESSION_KEY, signOut } from './session';

afterEach(() => {
  vi.unstubAllGlobals();
});

function signedIn() {
  const client = new QueryClient();
  client.setQueryData(SESSION_KEY, { name: 'ada' });
  client.setQueryData(['devices', { q: '' }], { pages: [], pageParams: [] });
  const told: unknown[] = [];
  const observer = new QueryObserver<unknown>(client, { queryKey: SESSION_KEY, enabled: false });
  const stop = observer.subscribe(({ data }) => told.push(data));
  return { client, told, observer, stop };
}

for (const status of [204, 401]) {
  it(`takes the pages away and forgets what they showed, when the answer is ${status}`, async () => {
    vi.stubGlobal('fetch', async () => new Response(null, { status }));
    const { client, told, observer, stop } = signedIn();
    await signOut(client);
    expect(observer.getCurrentResult().data).toBeNull();
    await vi.waitFor(() => expect(told.at(-1)).toBeNull());
    expect(client.getQueryData(['devices', { q: '' }])).toBeUndefined();
    // The one who signs in next is shown by the same observer.
    client.setQueryData(SESSION_KEY, { name: 'bob' });
    await vi.waitFor(() => expect(told.at(-1)).toEqual({ name: 'bob' }));
    stop();
  });
}

it('changes nothing when the collector did not end the session', async () => {
  vi.stubGlobal('fetch', async () => new Response(null, { status: 503 }));
  const { client, observer, stop } = signedIn();
  await expect(signOut(client)).rejects.toThrow();
  expect(observer.getCurrentResult().data).toEqual({ name: 'ada' });
  expect(client.getQueryData(['devices', { q: '' }])).toBeDefined();
  stop();
});
