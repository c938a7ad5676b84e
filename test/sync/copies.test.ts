/** Copied and restored data directories: brains on real disks, copied while closed. Nobody's writes are lost. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { BrainSession } from '../../lib/brain/session.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { syncOnce } from '../../lib/sync/sync-once.ts';
import { createTestKey } from '../support/server-keys.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { makeDirectory, openTestStore, removeDirectory } from '../support/stores.ts';

let serverStore: ChangeStore;
let server: StubServer;
let home: string;
beforeAll(async () => {
  serverStore = await openEmbeddedServerStore({ memory: true });
  server = await startStub(serverStore);
});
afterAll(async () => {
  await server.close();
  await serverStore.close();
});
beforeEach(async () => {
  home = makeDirectory();
  server.key = await createTestKey(serverStore, 'test');
});
afterEach(() => removeDirectory(home));

/** Opens the brain in a directory, does something with it, and closes it. */
async function withBrain<T>(name: string, use: (brain: BrainSession) => Promise<T>): Promise<T> {
  const directory = path.join(home, name);
  fs.mkdirSync(directory, { recursive: true });
  const opened = await openTestStore(directory);
  const brain = await BrainSession.open(opened.store, {
    directory,
    nowMs: Date.now,
    createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
    createReplicaId: randomUUID,
  });
  try {
    return await use(brain);
  } finally {
    await brain.close();
  }
}

function copy(from: string, to: string): void {
  fs.rmSync(path.join(home, to), { recursive: true, force: true });
  fs.cpSync(path.join(home, from), path.join(home, to), { recursive: true });
}

function record(brain: BrainSession, title: string) {
  const scope = { workspaceId: server.key.workspaceId, projectId: 'p' };
  return brain.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts: [{ title }] });
}

function sync(brain: BrainSession) {
  const { apiKey, workspaceId } = server.key;
  return syncOnce({ brain, endpoint: server.url, apiKey, workspaceId, projectId: 'p', mode: 'both' });
}

async function titlesOf(brain: BrainSession): Promise<string[]> {
  const scope = { workspaceId: server.key.workspaceId, projectId: null };
  const entries = await brain.run('list', { scope, includeInactive: true, limit: 10_000 });
  return entries.map(({ title }) => title).toSorted();
}

async function replicaOf(brain: BrainSession): Promise<string> {
  return (await brain.run('syncState', { endpoint: server.url, workspaceId: server.key.workspaceId })).replicaId;
}

test('[S10] a copied brain is recognised, takes an id of its own, and both survive', async () => {
  const first = await withBrain('original', async (brain) => {
    await record(brain, 'shared');
    await sync(brain);
    return replicaOf(brain);
  });
  copy('original', 'copy');
  await withBrain('original', async (brain) => {
    await record(brain, 'only in the original');
    expect(await sync(brain)).toMatchObject({ success: true, notices: [] });
  });
  await withBrain('copy', async (brain) => {
    await record(brain, 'only in the copy');
    const report = await sync(brain);
    expect(report).toMatchObject({ success: true, pending: 0 });
    expect(report.notices.join(' ')).toMatch(/copied/);
    expect(await replicaOf(brain)).not.toBe(first);
    expect(await titlesOf(brain)).toEqual(['only in the copy', 'only in the original', 'shared']);
    expect(await sync(brain)).toMatchObject({ success: true, notices: [], pushed: { sent: 0 } });
  });
  await withBrain('original', async (brain) => {
    await sync(brain);
    expect(await replicaOf(brain)).toBe(first);
    expect(await titlesOf(brain)).toEqual(['only in the copy', 'only in the original', 'shared']);
  });
});

test('[S11] a brain restored from a backup takes a new id and gets everything, its own former changes included', async () => {
  await withBrain('brain', async (brain) => {
    await record(brain, 'before the backup');
    await sync(brain);
  });
  copy('brain', 'backup');
  const first = await withBrain('brain', async (brain) => {
    await record(brain, 'after the backup 1');
    await record(brain, 'after the backup 2');
    await sync(brain);
    return replicaOf(brain);
  });
  copy('backup', 'brain');
  await withBrain('brain', async (brain) => {
    await record(brain, 'after the restoration');
    const report = await sync(brain);
    expect(report).toMatchObject({ success: true, pending: 0 });
    expect(report.notices.join(' ')).toMatch(/restored from a backup|copied/);
    expect(await replicaOf(brain)).not.toBe(first);
    expect(await titlesOf(brain)).toEqual([
      'after the backup 1',
      'after the backup 2',
      'after the restoration',
      'before the backup',
    ]);
    expect(await brain.run('verify', {})).toMatchObject({ isSound: true });
  });
});

test('[S11] a restored brain that has nothing new to push gets its former changes all the same', async () => {
  await withBrain('brain', async (brain) => {
    await record(brain, 'before the backup');
    await sync(brain);
  });
  copy('brain', 'backup');
  await withBrain('brain', async (brain) => {
    await record(brain, 'after the backup');
    await sync(brain);
  });
  copy('backup', 'brain');
  await withBrain('brain', async (brain) => {
    expect(await sync(brain)).toMatchObject({ success: true, pulled: { applied: 1 } });
    expect(await titlesOf(brain)).toEqual(['after the backup', 'before the backup']);
  });
});
