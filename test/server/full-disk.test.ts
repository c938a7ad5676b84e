/** A server whose disk is nearly full: it refuses, reading too, stays whole, and goes on when there is room. */
import fs from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { DISK_RESERVE_BYTES } from '../../lib/core/limits.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { openMemoryStore } from '../../lib/store/pglite.ts';
import { createTestServer } from '../support/server-app.ts';
import { createTestKey } from '../support/server-keys.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';
import { callOf } from '../support/sync-calls.ts';
import { SyncDevice } from '../support/sync-device.ts';

afterEach(() => vi.restoreAllMocks());

test('[L13] a server with little free disk refuses to read, too, is not poisoned, and goes on when there is room', async () => {
  const directory = makeDirectory();
  const onPoison = vi.fn();
  const store = await openEmbeddedServerStore({ dataDirectory: directory, onPoison });
  const { workspaceId } = await createTestKey(store, 'test');
  const query = { workspaceId, projectId: null, since: 0, limit: 10, bytesMax: 1_000_000, currentOnly: false };
  expect(await store.pull(query)).toMatchObject({ items: [] });
  const disk = pretendFree(directory, DISK_RESERVE_BYTES - 1);
  for (const refused of [store.pull(query), store.ping(), createTestKey(store, 'other')]) {
    await expect(refused).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/server's data is nearly full \(16383 KiB free\)/) as string,
      // A brain goes on reading; a server does not.
      hint: expect.not.stringMatching(/[Rr]eading/) as string,
      details: { bytesMax: 0 },
    });
  }
  disk.mockRestore();
  expect(await store.pull(query)).toMatchObject({ items: [] });
  await createTestKey(store, 'other');
  expect(onPoison).not.toHaveBeenCalled();
  await store.close();
  removeDirectory(directory);
});

test('[L13] a server with room for a smaller push says so, and the client halves its own until they fit', async () => {
  const directory = makeDirectory();
  const store = await openEmbeddedServerStore({ dataDirectory: directory });
  const server = await createTestServer({ nowMs: Date.now }, store);
  const brainStore = await openMemoryStore();
  const device = await SyncDevice.start(brainStore);
  const place = { url: 'http://server.invalid', key: server.key };
  await device.record(
    place,
    ...Array.from({ length: 12 }, (_, n) => ({ title: `t${n}`, conclusion: 'x'.repeat(9_000) })),
  );
  const disk = pretendFree(directory, DISK_RESERVE_BYTES + 16 * 40_000);
  const answers: { status: number }[] = [];
  const asking: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    request.headers.delete('accept-encoding');
    const response = await server.app.request(request);
    if (callOf(input) === 'push') {
      const { status } = response;
      answers.push({ status, ...(status === 200 ? {} : ((await response.clone().json()) as object)) });
    }
    return response;
  };
  expect(await device.sync(place, { mode: 'push', fetch: asking })).toMatchObject({
    success: true,
    pending: 0,
    pushed: { sent: 12, applied: 12, refused: 0 },
  });
  expect(answers[0]).toMatchObject({ error: 'unavailable', details: { bytesMax: 40_000 } });

  // One that does not fit by itself waits, and is never set aside.
  await device.record(place, { title: 'large', conclusion: 'x'.repeat(60_000) });
  const refused = await device.sync(place, { mode: 'push', fetch: asking, retriesMax: 1 });
  expect(refused).toMatchObject({
    success: false,
    reason: { code: 'unavailable' },
    pushed: { refused: 0 },
    pending: 1,
  });
  disk.mockRestore();
  expect(await device.sync(place, { mode: 'push', fetch: asking })).toMatchObject({ success: true, pending: 0 });
  await server.close();
  await store.close();
  await brainStore.close();
  removeDirectory(directory);
});

/** So much is free to the server; other stores of the test are elsewhere. */
function pretendFree(directory: string, bytes: number) {
  const statfs = fs.statfsSync;
  return vi
    .spyOn(fs, 'statfsSync')
    .mockImplementation(
      (place) => (place === directory ? { bavail: bytes, bsize: 1 } : statfs(place)) as ReturnType<typeof statfs>,
    );
}
