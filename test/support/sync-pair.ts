/** A server behind a real socket and two brains that sync with it, for the tests of a file; each test has a workspace of its own. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { createTestKey } from './server-keys.ts';
import { startStub, type StubServer } from './stub-server.ts';
import { SyncDevice } from './sync-device.ts';

export interface SyncPair {
  serverStore: ChangeStore;
  /** Without faults when a test begins. */
  server: StubServer;
  a: SyncDevice;
  b: SyncDevice;
}

/** To be called at the top of a file. What it returns is filled before each test. */
export function useSyncPair(): SyncPair {
  const pair = {} as SyncPair;
  let stores: OpenStore[];
  beforeAll(async () => {
    pair.serverStore = await openEmbeddedServerStore({ memory: true });
    pair.server = await startStub(pair.serverStore);
    stores = [await openMemoryStore(), await openMemoryStore()];
  });
  afterAll(async () => {
    await pair.server.close();
    await pair.serverStore.close();
    for (const store of stores) await store.close();
  });
  beforeEach(async () => {
    pair.server.setFaults('');
    pair.server.key = await createTestKey(pair.serverStore, 'test');
    const [a, b] = await Promise.all(stores.map((store) => SyncDevice.start(store)));
    if (a === undefined || b === undefined) throw new Error('there are two stores');
    Object.assign(pair, { a, b });
  });
  return pair;
}
