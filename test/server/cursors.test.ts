/** The cursor promise on a real PostgreSQL, with writers and readers at once; and that the test would see it broken. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toStoreRows } from '../../lib/server/change-rows.ts';
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { storeChange } from '../support/server-changes.ts';
import { createTestKey } from '../support/server-keys.ts';
import { poolTo, startPostgres, type TestPostgres } from '../support/server-postgres.ts';

const WRITERS = 8;
const READERS = 3;
const PUSHES_PER_WRITER = 40;

let postgres: TestPostgres;
let databaseUrl: string;
let stores: ChangeStore[];

beforeAll(async () => {
  postgres = await startPostgres();
  databaseUrl = await postgres.createDatabase();
  stores = await Promise.all([1, 2].map(() => openPostgresServerStore({ databaseUrl, poolMax: 8 })));
});

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await postgres.stop();
});

/** A page after a cursor: what is in it, and the cursor to go on from. */
type ReadPage = (since: number) => Promise<{ ids: string[]; next: number }>;

/** Reads by cursor while `writing` goes on, then to the end. @returns the ids that it met */
async function readWhile(writing: Promise<unknown>, readPage: ReadPage): Promise<Set<string>> {
  const met = new Set<string>();
  let since = 0;
  let isWriting = true;
  void writing.finally(() => (isWriting = false));
  for (let isLast = false; !isLast;) {
    isLast = !isWriting;
    for (let isEnd = false; !isEnd;) {
      const { ids, next } = await readPage(since);
      for (const id of ids) met.add(id);
      since = next;
      isEnd = ids.length === 0;
    }
  }
  return met;
}

test('[V1] readers that follow the cursor while many write miss nothing', async () => {
  const [store] = stores as [ChangeStore];
  const { workspaceId } = await createTestKey(store, 'busy');
  const write = async (writer: number): Promise<string[]> => {
    const written: string[] = [];
    for (let index = 0; index < PUSHES_PER_WRITER; index += 1) {
      const changes = [0, 1, 2].map((part) =>
        storeChange({ number: writer * 1_000 + index * 3 + part, title: 'busy', updatedAt: 5, workspaceId }),
      );
      const target = stores[index % stores.length] ?? store;
      await target.push({
        workspaceId,
        pusherId: `w${writer}`,
        protocol: 2,
        nowMs: Date.now(),
        ...toStoreRows(changes),
      });
      written.push(...changes.map(({ changeId }) => changeId));
    }
    return written;
  };
  const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  const readers = Array.from({ length: READERS }, (_, reader) =>
    readWhile(writing, async (since) => {
      const page = await (stores[reader % stores.length] ?? store).pull({
        workspaceId,
        projectId: null,
        since,
        limit: 7 + reader,
        bytesMax: 4e6,
        currentOnly: false,
      });
      const ids = page.items.map(({ changeId }) => changeId);
      return { ids, next: page.hasMore ? (page.items.at(-1)?.cursor ?? NaN) : page.lastCursor };
    }),
  );
  const written = (await writing).flat().sort();
  expect(written).toHaveLength(WRITERS * PUSHES_PER_WRITER * 3);
  for (const met of await Promise.all(readers)) expect([...met].sort()).toEqual(written);
});

test('[V1] the same readers miss changes where cursors are given by a sequence, without the lock', async () => {
  const pool = poolTo(databaseUrl, WRITERS + READERS);
  await pool.query('CREATE TABLE naive (cursor bigserial PRIMARY KEY, id text NOT NULL)');
  /** Its row has a cursor already, and is not committed yet. */
  const slow = await pool.connect();
  await slow.query('BEGIN');
  await slow.query(`INSERT INTO naive (id) VALUES ('slow')`);
  await pool.query(`INSERT INTO naive (id) VALUES ('quick')`);
  let finish = (): void => undefined;
  const writing = new Promise<void>((resolve) => (finish = resolve));
  let pages = 0;
  const met = await readWhile(writing, async (since) => {
    const { rows } = await pool.query<{ id: string; cursor: string }>(
      'SELECT id, cursor FROM naive WHERE cursor > $1 ORDER BY cursor',
      [since],
    );
    pages += 1;
    if (pages === 2) {
      await slow.query('COMMIT');
      slow.release();
      finish();
    }
    return { ids: rows.map(({ id }) => id), next: Number(rows.at(-1)?.cursor ?? since) };
  });
  await pool.end();
  expect([...met]).toEqual(['quick']);
});
