/** Recall on a real PostgreSQL says what it says on the embedded one: the same SQL, the same entries, the same answers. */
import { randomUUID } from 'node:crypto';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BrainSession } from '../../lib/brain/session.ts';
import { indexStep, isIndexingDue } from '../../lib/recall/indexing.ts';
import { verifyIndex } from '../../lib/recall/verify-index.ts';
import { assetPath } from '../../lib/store/assets.ts';
import type { Database } from '../../lib/store/database.ts';
import { migrateWith } from '../../lib/store/migrate.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { createIds } from '../support/ids.ts';
import { sampleRecords } from '../support/sample-records.ts';
import { poolTo, startPostgres } from '../support/server-postgres.ts';

const RECORDS = 1_500;
const SCOPE = { workspaceId: '', projectId: 'p' };
const QUERIES = [
  'retry',
  'socket timeout in the pool',
  '"connection pool" -staging',
  'getUserName',
  'max_wal_size checkpoint',
  'conection tmeout',
  '検索',
  'tag:db',
  'it\'s 50% of \\ and "quotes"',
  'xyzzy plugh',
];

const clock = { nowMs: 1_750_000_000_000 };
const sessions: BrainSession[] = [];
const databases: Database[] = [];
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const postgres = await startPostgres();
  const pool = poolTo(await postgres.createDatabase());
  const database = drizzle({ client: pool });
  await migrateWith(database, assetPath('migrations'), migrate);
  const embedded = await openMemoryStore();
  ends.push(
    () => pool.end(),
    () => postgres.stop(),
    () => embedded.close(),
  );
  for (const store of [embedded, { ...embedded, database: database as unknown as OpenStore['database'] }]) {
    databases.push(store.database);
    sessions.push(await openSession(store));
  }
  const records = sampleRecords(RECORDS);
  for (let from = 0; from < RECORDS; from += 500) {
    clock.nowMs += 1_000;
    const request = { requestId: randomUUID(), scope: SCOPE, agent: 'a', drafts: records.slice(from, from + 500) };
    for (const session of sessions) await session.run('record', request);
  }
}, 120_000);
afterAll(async () => {
  for (const end of ends) await end();
});

function openSession(store: OpenStore): Promise<BrainSession> {
  return BrainSession.open(
    { ...store, close: () => Promise.resolve() },
    {
      directory: process.cwd(),
      nowMs: () => clock.nowMs,
      createEntryId: createIds('01999999'),
      createReplicaId: () => 'aaaaaaaa-0000-4000-8000-000000000000',
    },
  );
}

async function answers(): Promise<[unknown, unknown]> {
  const all = sessions.map(async (session) => {
    const given: unknown[] = [];
    for (const query of QUERIES) {
      const hits = await session.run('recall', { scope: SCOPE, query, limit: 20, isLoose: true });
      given.push(hits.map(({ entryId, score, matched }) => [entryId, score, matched]));
    }
    const place = { commits: [], paths: ['src/retry.ts'], keys: ['STA-412'] };
    given.push(await session.run('why', { scope: SCOPE, ...place, limit: 20 }));
    given.push(await session.run('context', { scope: SCOPE, query: 'retry', budget: 1_000, format: 'json' }));
    return given;
  });
  const [embedded, real] = await Promise.all(all);
  return [embedded, real];
}

test('[R8] the embedded and a real PostgreSQL give the same answers, before anything is indexed and after', async () => {
  const [embedded, real] = await answers();
  expect(real).toEqual(embedded);
  for (const database of databases) {
    while (await isIndexingDue(database)) await database.transaction((transaction) => indexStep(transaction));
    expect(await verifyIndex(database)).toEqual([]);
  }
  expect((await answers())[1]).toEqual(embedded);
  const [edited] = await Promise.all(sessions.map((session) => session.run('list', { scope: SCOPE, limit: 5 })));
  clock.nowMs += 1_000;
  for (const { entryId } of edited ?? []) {
    const write = { requestId: randomUUID(), reference: { workspaceId: '', idOrPrefix: entryId } };
    for (const session of sessions) await session.run('edit', { ...write, edit: { title: 'Quokka retry' } });
  }
  const [embeddedLater, realLater] = await answers();
  expect(realLater).toEqual(embeddedLater);
  for (const database of databases) expect(await verifyIndex(database)).toEqual([]);
});
