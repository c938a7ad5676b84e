/** Several servers over one PostgreSQL, as processes: they wake each other, and one that is killed costs nothing. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { flatChange } from '../support/server-changes.ts';
import { createTestKey, type TestKey } from '../support/server-keys.ts';
import { connectTo, startPostgres, type TestPostgres } from '../support/server-postgres.ts';
import { ADMIN_TOKEN, type ServerProcess, startInstance } from '../support/server-process.ts';

let postgres: TestPostgres;
let databaseUrl: string;
let store: ChangeStore;
let instances: ServerProcess[];
let key: TestKey;

beforeAll(async () => {
  postgres = await startPostgres();
  databaseUrl = await postgres.createDatabase();
  store = await openPostgresServerStore({ databaseUrl });
  key = await createTestKey(store, 'shared');
  instances = await Promise.all([startInstance(databaseUrl), startInstance(databaseUrl)]);
});

afterAll(async () => {
  await Promise.all(instances.map((instance) => instance.end('SIGKILL')));
  await store.close();
  await postgres.stop();
});

function headers(): Record<string, string> {
  return { Authorization: `Bearer ${key.apiKey}`, 'Content-Type': 'application/json' };
}

function tryPush(instance: ServerProcess, numbers: number[]): Promise<Response> {
  const changes = numbers.map((number) =>
    flatChange({ number, title: 'shared', updatedAt: 5, workspaceId: key.workspaceId }),
  );
  return fetch(`${instance.url}/v1/brain/push`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify({ protocolVersion: 2, clientId: 'r', changes }),
  });
}

async function push(instance: ServerProcess, numbers: number[]): Promise<{ serverCursor: number; accepted: number }> {
  const response = await tryPush(instance, numbers);
  expect(response.status).toBe(200);
  return (await response.json()) as { serverCursor: number; accepted: number };
}

/** Holds the workspace's row, so that whatever is pushed waits in its transaction until `release`. */
async function holdWorkspace(): Promise<{ untilPushWaits: () => Promise<void>; release: () => Promise<void> }> {
  const [holder, looker] = await Promise.all([connectTo(databaseUrl), connectTo(databaseUrl)]);
  await holder.query('BEGIN');
  await holder.query('SELECT 1 FROM workspaces WHERE workspace_id = $1 FOR UPDATE', [key.workspaceId]);
  return {
    untilPushWaits: async () => {
      for (let waiting = 0; waiting === 0;) {
        const { rows } = await looker.query<{ count: string }>(
          `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%server_push%'`,
        );
        waiting = Number(rows[0]?.count ?? 0);
      }
    },
    release: async () => {
      await holder.query('COMMIT');
      await Promise.all([holder.end(), looker.end()]);
    },
  };
}

test('[V10] [V11] a push to one instance is told by the stream of another', async () => {
  const [first, second] = instances as [ServerProcess, ServerProcess];
  const ending = new AbortController();
  const response = await fetch(`${second.url}/v1/brain/stream`, { headers: headers(), signal: ending.signal });
  const told: string[] = [];
  let wake = (): void => undefined;
  const parser = createParser({
    onEvent: ({ id, event }) => {
      if (event === 'cursor') told.push(id ?? '');
      wake();
    },
  });
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
  })().catch(() => undefined); // Ended by the test below.
  const { serverCursor } = await push(first, [1]);
  while (!told.includes(String(serverCursor))) await new Promise<void>((resolve) => (wake = resolve));
  ending.abort();
  await reading;
  expect(told.at(-1)).toBe(String(serverCursor));
});

test('[V10] [V11] a broken connection to the database is made anew, and what was missed is caught up with', async () => {
  const watching = await openPostgresServerStore({ databaseUrl, poolMax: 2 });
  const caughtUp = new Promise<void>((resolve) => {
    watching.watch((event) => {
      if (event.kind === 'all') resolve();
    });
  });
  await watching.ping();
  const client = await connectTo(databaseUrl);
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL
      AND application_name LIKE 'stackmemory%'`,
  );
  await client.end();
  await caughtUp;
  const heard = new Promise<number>((resolve) => {
    watching.watch((event) => {
      if (event.kind === 'cursor') resolve(event.cursor);
    });
  });
  const [first] = instances as [ServerProcess];
  // Its own connections were cut too: whoever gets one of them is told to come again.
  for (let isBack = false; !isBack;) isBack = (await tryPush(first, [2])).status === 200;
  const { serverCursor } = await push(first, [3]);
  expect(await heard).toBeLessThanOrEqual(serverCursor);
  await watching.close();
});

test('[V8] [V11] a connection that breaks in the midst of a transaction fails that alone, and no process', async () => {
  const holder = await connectTo(databaseUrl);
  const looker = await connectTo(databaseUrl);
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE');
  const [first] = instances as [ServerProcess];
  const listing = fetch(`${first.url}/v1/admin/key/list`, {
    method: 'POST',
    headers: { ...headers(), Authorization: `Bearer ${ADMIN_TOKEN}` },
    body: '{}',
  });
  for (let cut = 0; cut === 0;) {
    const { rowCount } = await looker.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%api_keys ORDER%'`,
    );
    cut = rowCount ?? 0;
  }
  expect((await listing).status).toBe(503);
  await holder.query('COMMIT');
  await Promise.all([holder.end(), looker.end()]);
  expect((await fetch(`${first.url}/v1/brain/health`)).status).toBe(200);
});

test('[V11] [V2] an instance killed in the middle of a push loses nothing and doubles nothing', async () => {
  const [doomed, other] = instances as [ServerProcess, ServerProcess];
  const held = await holdWorkspace();
  const numbers = Array.from({ length: 300 }, (_, index) => 1_000 + index);
  const cut = push(doomed, numbers).then(
    () => 'answered',
    () => 'cut',
  );
  await held.untilPushWaits();
  await doomed.end('SIGKILL');
  expect(await cut).toBe('cut');
  await held.release();
  expect((await push(other, numbers)).accepted).toBe(numbers.length);
  const query = { workspaceId: key.workspaceId, entryIds: null, since: 0, until: Number.MAX_SAFE_INTEGER };
  const { items } = await store.history({ ...query, limit: 1_000, bytesMax: 4e6 });
  const ids = items.map(({ changeId }) => changeId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toHaveLength(numbers.length + 3);
});

test('[V12] an instance that is asked to end finishes the request under way, ends its streams, and ends', async () => {
  const ending = await startInstance(databaseUrl);
  const stream = await fetch(`${ending.url}/v1/brain/stream`, { headers: headers() });
  // A connection without a request, as clients open in advance.
  const { port } = new URL(ending.url);
  const spare = connect(Number(port), '127.0.0.1').on('error', () => undefined);
  await once(spare, 'connect');
  const held = await holdWorkspace();
  const pushing = push(ending, [5_000]);
  await held.untilPushWaits();
  const ended = ending.end('SIGTERM');
  await once(spare, 'close');
  // Its streams end first; the push is still waiting then.
  for await (const _ of stream.body ?? []);
  await expect(fetch(`${ending.url}/v1/brain/health`)).rejects.toThrow();
  await held.release();
  expect(await pushing).toMatchObject({ accepted: 1 });
  expect(await ended).toBe(0);
});
