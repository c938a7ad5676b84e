/** That a commit reaches the disk is proven at every start, and that it does is shown by counting. */
import fs from 'node:fs';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { sql } from 'drizzle-orm';
import { afterEach, expect, test, vi } from 'vitest';
import { appendChanges } from '../../lib/store/append.ts';
import { rowsOf } from '../../lib/store/database.ts';
import { ensureDataDirectory } from '../../lib/store/data-directory.ts';
import { DurableNodeFs } from '../../lib/store/durable-fs.ts';
import { openPgliteStore, START_PARAMETERS } from '../../lib/store/pglite.ts';
import { verifyStore } from '../../lib/store/verify.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { makeDirectory, openTestStore, removeDirectory, type TestStore } from '../support/stores.ts';

const parameters = [...START_PARAMETERS];
afterEach(() => {
  vi.restoreAllMocks();
  START_PARAMETERS.splice(0, START_PARAMETERS.length, ...parameters);
});

test('[L5] a store whose fsync hook never fires is refused', async () => {
  // As when a new version of PGlite no longer calls the hook: the file system is PGlite's own, without it.
  vi.spyOn(DurableNodeFs.prototype, 'init').mockImplementation(function (this: DurableNodeFs, ...args) {
    return NodeFS.prototype.init.apply(this, args);
  });
  await expectRefusal();
});

test.each(['fsync=off', 'full_page_writes=off', 'wal_sync_method=fdatasync', 'synchronous_commit=off'])(
  '[L5] a store that was started with %s is refused',
  async (setting) => {
    START_PARAMETERS.push('-c', setting);
    await expectRefusal();
  },
);

test('[L5] every commit syncs the WAL before it is acknowledged', async () => {
  const opened = await openTestStore();
  const synced = spyOnSyncs();
  const commits = 50;
  for (let number = 0; number < commits; number += 1) {
    const before = synced.wal;
    await write(opened, number);
    expect(synced.wal).toBeGreaterThan(before);
  }
  expect(synced.wal).toBeGreaterThanOrEqual(commits);
  vi.restoreAllMocks();
  await opened.dispose();
});

test.each([
  ['is not there', 'none', 'No such file or directory'],
  ['has a name that no file can have', 'n'.repeat(300), 'Filename too long'],
])("[L17] a file that %s is PostgreSQL's to report, and the store goes on", async (_, file, reason) => {
  const { store, dispose } = await openTestStore();
  const looking = store.client.query(`SELECT pg_stat_file('${file}')`).then(
    () => 'no error',
    (error: unknown) => (error as Error).message,
  );
  expect(await looking).toBe(`could not stat file "${file}": ${reason}`);
  expect((await store.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await dispose();
});

test('[L5] a checkpoint syncs the files of the tables', async () => {
  const opened = await openTestStore();
  await write(opened, 1);
  const synced = spyOnSyncs();
  await opened.store.client.exec('CHECKPOINT');
  expect(synced.tables).toBeGreaterThan(0);
  vi.restoreAllMocks();
  await opened.dispose();
});

test('[L16] after a panic whatever is asked fails at once, with what it was', async () => {
  const opened = await openTestStore();
  await write(opened, 1);
  const syncing = vi.spyOn(fs, 'fsyncSync').mockImplementation(() => {
    throw Object.assign(new Error('no'), { code: 'EIO' });
  });
  const panic = { cause: { severity: 'PANIC', code: '58030' } };
  await expect(write(opened, 2)).rejects.toMatchObject({ severity: 'PANIC', code: '58030' });
  syncing.mockRestore();
  // Would never come to an end.
  await expect(rowsOf(opened.store.database, sql`SELECT 1`)).rejects.toMatchObject(panic);
  await expect(verifyStore(opened.store.database)).rejects.toMatchObject(panic);
  await opened.store.close();
  const again = await openTestStore(opened.directory);
  expect(await verifyStore(again.store.database)).toMatchObject({ isSound: true });
  await again.dispose();
});

test('[L16] a panic in the midst of a verification is no finding', async () => {
  const opened = await openTestStore();
  const { client } = opened.store;
  const query = client.query.bind(client);
  const panic = Object.assign(new Error('could not read'), { severity: 'PANIC', code: '58030' });
  vi.spyOn(client, 'query').mockImplementation((text, ...rest) =>
    text.includes('sha256') ? Promise.reject(panic) : query(text, ...rest),
  );
  await expect(verifyStore(opened.store.database)).rejects.toMatchObject({ cause: panic });
  await opened.dispose();
});

async function expectRefusal(): Promise<void> {
  const directory = makeDirectory();
  const { dataDirectory } = await ensureDataDirectory(directory);
  await expect(openPgliteStore(dataDirectory)).rejects.toMatchObject({
    code: 'not_durable',
    message: expect.stringMatching(/does not sync/) as string,
    hint: expect.stringMatching(/Reinstall/) as string,
  });
  removeDirectory(directory);
}

function write({ store }: TestStore, number: number): Promise<unknown> {
  const change = {
    changeId: idOf(number, 'cccccccc'),
    base: null,
    replicaId: 'r',
    receivedAt: 0,
    origin: 'local',
    entry: { ...plainContent(number, `entry ${number}`), updatedAt: 1 },
  };
  return store.database.transaction((transaction) => appendChanges(transaction, [change]));
}

/** Counts the real fsyncs of this process, by what they sync. */
function spyOnSyncs(): { wal: number; tables: number } {
  const counts = { wal: 0, tables: 0 };
  const fsyncSync = fs.fsyncSync;
  vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
    const name = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
    if (name.includes('/pg_wal/')) counts.wal += 1;
    if (name.includes('/base/')) counts.tables += 1;
    fsyncSync(descriptor);
  });
  return counts;
}
