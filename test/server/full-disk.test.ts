/** A server whose disk is nearly full: it refuses, reading too, stays whole, and goes on when there is room. */
import fs from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { DISK_RESERVE_BYTES } from '../../lib/core/limits.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { createTestKey } from '../support/server-keys.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

afterEach(() => vi.restoreAllMocks());

test('[L13] a server with little free disk refuses to read, too, is not poisoned, and goes on when there is room', async () => {
  const directory = makeDirectory();
  const onPoison = vi.fn();
  const store = await openEmbeddedServerStore({ dataDirectory: directory, onPoison });
  const { workspaceId } = await createTestKey(store, 'test');
  const query = { workspaceId, projectId: null, since: 0, limit: 10, bytesMax: 1_000_000, currentOnly: false };
  expect(await store.pull(query)).toMatchObject({ items: [] });
  const disk = vi
    .spyOn(fs, 'statfsSync')
    .mockReturnValue({ bavail: DISK_RESERVE_BYTES - 1, bsize: 1 } as ReturnType<typeof fs.statfsSync>);
  for (const refused of [store.pull(query), store.ping(), createTestKey(store, 'other')]) {
    await expect(refused).rejects.toMatchObject({ code: 'disk_full' });
  }
  disk.mockRestore();
  expect(await store.pull(query)).toMatchObject({ items: [] });
  await createTestKey(store, 'other');
  expect(onPoison).not.toHaveBeenCalled();
  await store.close();
  removeDirectory(directory);
});
