/** What keeps the store small and the disk from filling up, and closing at any moment. */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { RecordRequest } from '../../lib/brain/contract.ts';
import { DISK_RESERVE_BYTES } from '../../lib/core/limits.ts';
import { isIndexingDue } from '../../lib/recall/indexing.ts';
import { openSession, openTestSession, openTestStore, removeDirectory, type TestSession } from '../support/stores.ts';

const SCOPE = { workspaceId: 'w', projectId: 'p' };
const MIB = 1024 * 1024;

afterEach(() => {
  vi.restoreAllMocks();
});

test('[L12] a hundred megabytes of log later the WAL is still small', async () => {
  const opened = await openTestSession();
  const before = await walPosition(opened);
  let greatestBytes = 0;
  let written = 0;
  for (let round = 0; written < 100 * MIB; round += 1) {
    await opened.session.run(
      'record',
      requestOf(Array.from({ length: 25 }, (_, index) => largeDraft(round * 25 + index))),
    );
    greatestBytes = Math.max(greatestBytes, walBytes(opened));
    written = (await walPosition(opened)) - before;
  }
  expect(greatestBytes).toBeGreaterThan(2 * MIB); // It was WAL that was measured.
  expect(greatestBytes).toBeLessThan(64 * MIB);
  await opened.dispose();
});

test('[L12] many small writes are looked at too, and a checkpoint in the quiet leaves next to nothing', async () => {
  const opened = await openTestSession();
  await Promise.all(
    Array.from({ length: 300 }, (_, n) => opened.session.run('record', requestOf([{ title: `t${n}` }]))),
  );
  await opened.session.run('status', { scope: SCOPE }); // Answered after what follows the last commit.
  await quiet();
  await quiet();
  await opened.session.doUpkeep();
  expect(walBytes(opened)).toBeLessThanOrEqual(4 * MIB);
  const exec = vi.spyOn(opened.store.client, 'exec');
  await opened.session.doUpkeep(); // There is nothing to do, and nothing is done.
  expect(exec.mock.calls).toEqual([]);
  await opened.dispose();
});

test('[L12] upkeep vacuums after thousands of changes, and does not while requests are under way', async () => {
  const opened = await openTestSession();
  const spy = vi.spyOn(opened.store.client, 'exec');
  for (let batch = 0; batch < 3; batch += 1) {
    await opened.session.run('record', requestOf(Array.from({ length: 700 }, (_, n) => ({ title: `t${n}` }))));
  }
  const busy = opened.session.run('status', { scope: SCOPE });
  await opened.session.doUpkeep();
  expect(spy.mock.calls).toEqual([]);
  await busy;
  await quiet();
  await opened.session.doUpkeep();
  expect(spy.mock.calls.map(([statement]) => statement)).toEqual(['VACUUM ANALYZE', 'CHECKPOINT']);
  await opened.dispose();
});

test('[L15] who asks while a large backlog is indexed is answered after a step of it', async () => {
  const opened = await openTestSession();
  for (let batch = 0; batch < 4; batch += 1) {
    const drafts = Array.from({ length: 1_000 }, (_, n) => ({ title: `title ${batch} ${n}` }));
    await opened.session.run('record', requestOf(drafts));
  }
  await opened.session.run('status', { scope: SCOPE });
  await quiet();
  const upkeep = opened.session.doUpkeep();
  // As the worker's messages come: by the loop of events.
  await quiet();
  await opened.session.run('status', { scope: SCOPE });
  expect(await isIndexingDue(opened.store.database)).toBe(true);
  await upkeep;
  await opened.session.doUpkeep();
  expect(await isIndexingDue(opened.store.database)).toBe(false);
  await opened.dispose();
});

test('[L13] with little free disk writing is refused, reading goes on, and space back means that work goes on', async () => {
  const opened = await openTestSession();
  await opened.session.run('record', requestOf([{ title: 'earlier' }]));
  const disk = pretendFree(DISK_RESERVE_BYTES - 4_096);
  const refused = opened.session.run('record', requestOf([{ title: 'refused' }]));
  await expect(refused).rejects.toMatchObject({
    code: 'disk_full',
    message: expect.stringMatching(/nearly full \(16380 KiB free\); nothing was written/) as string,
    hint: expect.stringMatching(/takes 17 MiB of free disk.*Reading still works/) as string,
  });
  expect(await titlesIn(opened)).toEqual(['earlier']);
  expect(await opened.session.run('recall', { scope: SCOPE, query: 'earlier', limit: 5 })).toHaveLength(1);
  expect(opened.session.poison).toBeUndefined();
  disk.mockRestore();
  await opened.session.run('record', requestOf([{ title: 'after' }]));
  expect(await titlesIn(opened)).toEqual(['after', 'earlier']);
  await opened.dispose();
});

test('[L13] a large request needs more room than a small one', async () => {
  const opened = await openTestSession();
  pretendFree(DISK_RESERVE_BYTES + 4 * MIB);
  const large = opened.session.run('record', requestOf(Array.from({ length: 20 }, (_, n) => largeDraft(n))));
  await expect(large).rejects.toMatchObject({ code: 'disk_full' });
  await opened.session.run('record', requestOf([{ title: 'small' }]));
  expect(await titlesIn(opened)).toEqual(['small']);
  await opened.dispose();
});

test('[L13] entries are made anew only where the disk has room for all of them beside those that are there', async () => {
  const opened = await openTestSession();
  await opened.session.run('record', requestOf(Array.from({ length: 20 }, (_, n) => largeDraft(n))));
  // Enough for any small request.
  const disk = pretendFree(DISK_RESERVE_BYTES + 2 * MIB);
  await opened.session.run('record', requestOf([{ title: 'small' }]));
  await expect(opened.session.run('rebuild', {})).rejects.toMatchObject({ code: 'disk_full' });
  expect(opened.session.poison).toBeUndefined();
  disk.mockRestore();
  expect(await opened.session.run('rebuild', {})).toMatchObject({ entries: 21, repaired: 0 });
  await opened.dispose();
});

test('[L13] before writing is refused, WAL that nobody needs is given back', async () => {
  const opened = await openTestSession();
  await opened.session.run('record', requestOf([{ title: 'earlier' }]));
  const exec = vi.spyOn(opened.store.client, 'exec');
  vi.spyOn(fs, 'statfsSync').mockImplementation(() =>
    freeOf(exec.mock.calls.length === 0 ? DISK_RESERVE_BYTES / 2 : DISK_RESERVE_BYTES * 2),
  );
  await opened.session.run('record', requestOf([{ title: 'after' }]));
  expect(exec.mock.calls).toEqual([['CHECKPOINT']]);
  await opened.dispose();
});

test('[L13] a disk without room for a checkpoint gets none, since that would end the database', async () => {
  const opened = await openTestSession();
  await opened.session.run('record', requestOf([{ title: 'earlier' }]));
  const exec = vi.spyOn(opened.store.client, 'exec');
  pretendFree(0);
  const refused = opened.session.run('record', requestOf([{ title: 'refused' }]));
  await expect(refused).rejects.toMatchObject({ code: 'disk_full' });
  expect(exec.mock.calls).toEqual([]);
  expect(await titlesIn(opened)).toEqual(['earlier']);
  await opened.dispose();
});

test('[L3] closing answers what was asked before, refuses what comes after, and may be repeated', async () => {
  const opened = await openTestSession();
  const asked = Array.from({ length: 80 }, (_, n) => opened.session.run('record', requestOf([{ title: `t${n}` }])));
  const closed = opened.session.close();
  await expect(opened.session.run('record', requestOf([{ title: 'late' }]))).rejects.toMatchObject({
    code: 'store_failed',
  });
  await opened.session.close();
  await closed;
  expect(await Promise.all(asked)).toHaveLength(80);
  const again = await openTestStore(opened.directory);
  const session = await openSession(again, opened.clock);
  expect(await session.run('status', { scope: SCOPE })).toMatchObject({ entries: 80 });
  await session.close();
  removeDirectory(opened.directory);
});

test('[L2] what was written is there when the store is opened anew, with the same replica', async () => {
  const opened = await openTestSession();
  const [entry] = await opened.session.run('record', requestOf([{ title: 'a', tags: ['x'], confidence: 1e-320 }]));
  const { replicaId } = await opened.session.run('status', { scope: SCOPE });
  await opened.session.close();
  const again = await openTestStore(opened.directory);
  const session = await openSession(again, opened.clock);
  expect(await session.run('list', { scope: SCOPE, limit: 5 })).toEqual([entry]);
  expect((await session.run('status', { scope: SCOPE })).replicaId).toBe(replicaId);
  await session.close();
  removeDirectory(opened.directory);
});

/** The session has noticed that nobody is waiting. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function requestOf(drafts: object[]): RecordRequest {
  return { requestId: randomUUID(), scope: SCOPE, agent: 'tester', drafts };
}

/** 128 KB that compression hardly makes less, and that are not searched. */
function largeDraft(seed: number): object {
  const refs = Array.from({ length: 256 }, (_, index) =>
    createHash('shake256', { outputLength: 384 }).update(`${seed} ${index}`).digest('base64'),
  );
  return { title: `large ${seed}`, refs };
}

async function titlesIn({ session }: TestSession): Promise<string[]> {
  const entries = await session.run('list', { scope: SCOPE, limit: 100 });
  return entries.map(({ title }) => title).toSorted();
}

/** Bytes of the files in pg_wal. */
function walBytes({ dataDirectory }: TestSession): number {
  const wal = path.join(dataDirectory, 'pg_wal');
  const sizes = fs.readdirSync(wal).map((name) => fs.statSync(path.join(wal, name)).size);
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes of WAL that were ever written. */
async function walPosition({ store }: TestSession): Promise<number> {
  const { rows } = await store.client.query<{ at: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS at`,
  );
  return Number(rows[0]?.at);
}

function freeOf(freeBytes: number): fs.StatsFs {
  return { type: 0, bsize: 4_096, blocks: 0, bfree: 0, bavail: Math.floor(freeBytes / 4_096), files: 0, ffree: 0 };
}

function pretendFree(freeBytes: number) {
  return vi.spyOn(fs, 'statfsSync').mockImplementation(() => freeOf(freeBytes));
}
