/** The background's sync as the server sees it: which calls come of what is written here and elsewhere. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { BackgroundSync } from '../../lib/sync/background.ts';
import { waitUntil } from '../support/host-wait.ts';
import { callOf } from '../support/sync-calls.ts';
import { useSyncPair } from '../support/sync-pair.ts';

/** In which a sync that was not needed would begin. */
const LULL_MS = 400;

const pair = useSyncPair();

test('[S17] [S23] what a brain writes is one call, and being told of its own write none; what others write is one', async () => {
  const { server, a, b } = pair;
  const calls: string[] = [];
  const { apiKey, workspaceId } = server.key;
  const background = new BackgroundSync({
    brain: a.session,
    login: { endpoint: server.url, apiKey, workspaceId, projectId: 'p' },
    userAgent: 'test',
    onEvent: () => undefined,
    fetch: (input, init) => {
      calls.push(callOf(input));
      return fetch(input, init);
    },
  });
  onTestFinished(() => background.stop());
  background.start();
  const has = (expected: string[]) => waitUntil(expected.join(' '), () => calls.length >= expected.length);
  // A stream that opens is a sign that the server can be reached, and followed by a sync.
  const started = ['health', 'pull', 'stream', 'pull'];
  await has(started);
  expect(calls).toEqual(started);

  for (const number of [1, 2, 3]) {
    calls.length = 0;
    await a.record(server, { title: `own ${number}` });
    background.noteWrite();
    await has(['push']);
    await delay(LULL_MS);
    expect(calls).toEqual(['push']);
    await b.record(server, { title: `other ${number}` });
    await b.sync(server);
    await waitUntil('what b wrote', async () => (await a.titles(server)).includes(`other ${number}`));
    expect(calls).toEqual(['push', 'pull']);
  }
});
