/** A sync server in memory for tests: one call makes the application, a workspace and a key. */
import { createServerApp, type ServerApp } from '../../lib/server/app.ts';
import type { ServerOptions } from '../../lib/server/context.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { createTestKey, type TestKey } from './server-keys.ts';
import type { ChangeStore } from '../../lib/server/store.ts';

/** A clock that stands still until it is moved. */
export interface TestClock {
  ms: number;
}

export const CLOCK_START_MS = Date.UTC(2026, 0, 2);

export interface TestServer {
  app: ServerApp;
  store: ChangeStore;
  clock: TestClock;
  key: TestKey;
  /** Another workspace with a key of its own. */
  createKey(name?: string): Promise<TestKey>;
  /** POST with a JSON body. @returns status and parsed body */
  post<T = Record<string, unknown>>(path: string, key: string | undefined, body: unknown): Promise<TestAnswer<T>>;
  close(): Promise<void>;
}

export interface TestAnswer<T> {
  status: number;
  body: T;
  headers: Headers;
}

/** @param shared a store to serve, which the caller closes; else one in memory is opened */
export async function createTestServer(
  options: Partial<ServerOptions> = {},
  shared?: ChangeStore,
): Promise<TestServer> {
  const clock: TestClock = { ms: CLOCK_START_MS };
  const store = shared ?? (await openEmbeddedServerStore({ memory: true }));
  const app = createServerApp({ store, nowMs: () => clock.ms, limits: 'none', ...options });
  const key = await createTestKey(store, 'first');
  return {
    app,
    store,
    clock,
    key,
    createKey: (name = 'other') => createTestKey(store, name),
    post: (path, apiKey, body) => postJson(app, path, apiKey, body),
    close: async () => {
      app.end();
      await app.close();
      if (shared === undefined) await store.close();
    },
  };
}

export async function postJson<T>(
  app: ServerApp,
  path: string,
  apiKey: string | undefined,
  body: unknown,
): Promise<TestAnswer<T>> {
  const response = await app.request(path, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as T, headers: response.headers };
}

/** `store` with some of its parts replaced. */
export function withParts(store: ChangeStore, parts: Partial<ChangeStore>): ChangeStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(parts, name)) return parts[name as keyof ChangeStore];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
