/** The stub on a port of its own, over a store in memory that the tests of a file share. */
import { listen, type ListeningServer } from '../../lib/server/listen.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { parseFaults } from '../../server-stub/faults.ts';
import { createStub, type Stub } from '../../server-stub/stub-app.ts';
import { createTestKey, type TestKey } from './server-keys.ts';

export interface StubServer {
  stub: Stub;
  url: string;
  key: TestKey;
  setFaults: (text: string) => void;
  close: () => Promise<void>;
}

export async function startStub(store: ChangeStore, nowMs: () => number = Date.now): Promise<StubServer> {
  const stub = createStub({ store, nowMs, signup: 'open', reset: 'open', limits: 'none' });
  const server: ListeningServer = await listen(stub.app, { host: '127.0.0.1', port: 0, graceMs: 50 });
  return {
    stub,
    url: server.url,
    key: await createTestKey(store, 'stub'),
    setFaults: (text) => stub.faults.set(parseFaults(text)),
    close: () => server.close(),
  };
}
