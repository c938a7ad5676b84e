/** Real stores and sessions for tests: throw-away directories, a clock that the test holds, and a way to begin anew. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { sql } from 'drizzle-orm';
import { BrainSession } from '../../lib/brain/session.ts';
import { type Database, rowsOf } from '../../lib/store/database.ts';
import { ensureDataDirectory } from '../../lib/store/data-directory.ts';
import { openPgliteStore, type OpenStore } from '../../lib/store/pglite.ts';
import { createIds } from './ids.ts';

export interface TestStore {
  store: OpenStore;
  directory: string;
  dataDirectory: string;
  /** Closes the store and removes its directory. */
  dispose: () => Promise<void>;
}

export interface TestSession extends TestStore {
  session: BrainSession;
  /** What the session takes for the time. */
  clock: { nowMs: number };
}

export const REPLICA_ID = 'aaaaaaaa-0000-4000-8000-000000000000';

/** An empty directory for a brain. */
export function makeDirectory(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-test-')));
}

export function removeDirectory(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true });
}

export async function openTestStore(directory = makeDirectory()): Promise<TestStore> {
  const { dataDirectory } = await ensureDataDirectory(directory);
  const store = await openPgliteStore(dataDirectory);
  const dispose = async (): Promise<void> => {
    await store.close();
    removeDirectory(directory);
  };
  return { store, directory, dataDirectory, dispose };
}

export async function openTestSession(directory = makeDirectory()): Promise<TestSession> {
  const opened = await openTestStore(directory);
  const clock = { nowMs: 1_750_000_000_000 };
  const session = await openSession(opened, clock);
  const dispose = async (): Promise<void> => {
    await session.close();
    removeDirectory(directory);
  };
  return { ...opened, session, clock, dispose };
}

export function openSession({ store, directory }: TestStore, clock: { nowMs: number }): Promise<BrainSession> {
  const createId = createIds('01999999');
  return BrainSession.open(store, {
    directory,
    nowMs: () => clock.nowMs,
    createEntryId: createId,
    createReplicaId: () => REPLICA_ID,
  });
}

/** Takes everything away that was recorded. What guards the log is switched off meanwhile. */
export async function emptyStore({ store }: TestStore): Promise<void> {
  await store.client.exec(`
    ALTER TABLE brain_changes DISABLE TRIGGER USER;
    TRUNCATE brain_changes, brain_entries, brain_documents, brain_postings, brain_segments, brain_unindexed;
    ALTER TABLE brain_changes ENABLE TRIGGER USER;
    DELETE FROM brain_meta WHERE key = 'clock_high_ms';`);
}

class RollBack extends Error {}

/** Does `work` in a transaction that leaves nothing behind. */
export async function inScratch(store: OpenStore, work: (transaction: Database) => Promise<void>): Promise<void> {
  try {
    await store.database.transaction(async (transaction) => {
      await work(transaction);
      throw new RollBack();
    });
  } catch (error) {
    if (!(error instanceof RollBack)) throw error;
  }
}

/** A digest of every byte of every entry row, the words for the search included. */
export async function digestEntries(database: Database): Promise<string> {
  const [row] = await rowsOf<{ digest: string }>(
    database,
    sql`SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(e::text), '' ORDER BY entry_id)), '') AS digest
      FROM brain_entries e`,
  );
  return row?.digest ?? '';
}

/** The same of the log. */
export async function digestLog(database: Database): Promise<string> {
  const [row] = await rowsOf<{ digest: string }>(
    database,
    sql`SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(c::text), '' ORDER BY seq)), '') AS digest
      FROM brain_changes c`,
  );
  return row?.digest ?? '';
}
