/** Pages of a pull, read by whoever pulls them or by the brain: what is stored of them, and what is set aside. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { IndexBacklog } from '../../lib/brain/index-backlog.ts';
import type { BrainSession } from '../../lib/brain/session.ts';
import { readPage } from '../../lib/brain/sync-page.ts';
import type { SyncApplyRequest } from '../../lib/brain/sync-contract.ts';
import { SmError } from '../../lib/core/errors.ts';
import { toColumns } from '../../lib/protocol/columns.ts';
import type { FlatChange } from '../../lib/protocol/wire.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { openMemorySession } from '../support/memory-store.ts';
import { flatChange, nestChange } from '../support/server-changes.ts';

const RECEIVED_AT = 1_000;
const REPLICA = '00000000-0000-4000-8000-00000000000a';

let stores: OpenStore[];
let sessions: BrainSession[];
beforeAll(async () => {
  stores = await Promise.all(Array.from({ length: 4 }, () => openMemoryStore()));
  sessions = await Promise.all(
    stores.map((store) =>
      openMemorySession(store, {
        nowMs: () => RECEIVED_AT,
        createEntryId: () => randomUUID(),
        createReplicaId: () => REPLICA,
      }),
    ),
  );
});
afterAll(() => Promise.all(stores.map((store) => store.close())));
afterEach(() => {
  vi.restoreAllMocks();
});

type Form = (changes: FlatChange[], workspaceId: string) => Omit<SyncApplyRequest, 'peer'>;

const columnsOf = (changes: FlatChange[]) => ({ ...toColumns(changes.map(nestChange), () => false) });
const FORMS: readonly Form[] = [
  (changes) => ({ changes }),
  (changes) => ({ columns: columnsOf(changes) }),
  (changes, workspaceId) => ({ page: readPage({ changes }, workspaceId) }),
  (changes, workspaceId) => ({ page: readPage({ columns: columnsOf(changes) }, workspaceId) }),
];

/** All of the log but what is random. */
async function logOf({ client }: OpenStore, workspaceId: string): Promise<unknown[]> {
  const { rows } = await client.query(
    `SELECT change_id, entry_id, project_id, base, hash, replica_id, updated_at, received_at, origin, outcome, content,
      replaces, withdraws FROM brain_changes WHERE workspace_id = $1 ORDER BY seq`,
    [workspaceId],
  );
  return rows;
}

test('[S27] [S6] [S9] in whichever form a page comes, and whoever reads it, the same of it is stored and set aside', async () => {
  const workspaceId = randomUUID();
  const peer = { endpoint: 'http://server', workspaceId };
  const first = flatChange({ number: 1, title: 'first', updatedAt: 5, workspaceId });
  const pages = [
    [
      first,
      { ...flatChange({ number: 2, title: '', updatedAt: 6, workspaceId }), title: 7 as never },
      { ...flatChange({ number: 4, title: 't', updatedAt: 6, workspaceId }), changeId: 'no\0id\ud800' },
    ],
    [
      flatChange({ number: 1, title: 'older', updatedAt: 3, workspaceId, replicaId: 'other' }),
      first,
      flatChange({ number: 3, title: 'ünïcödé "quoted" \\', updatedAt: 9, workspaceId, replaces: ['a'.repeat(64)] }),
    ],
  ];
  const stored = await Promise.all(
    FORMS.map(async (form, index) => {
      const [session, store] = [sessions[index], stores[index]] as [BrainSession, OpenStore];
      const answers: unknown[] = [];
      for (const [at, changes] of pages.entries()) {
        const cursor = { projectId: '', value: at + 1, epoch: 'e' };
        answers.push(await session.run('syncApply', { peer, cursor, ...form(changes, workspaceId) }));
      }
      const { cursors, pending, scannedSeq, headSeq } = await session.run('syncState', peer);
      const { refusals } = await session.run('syncStanding', peer);
      return {
        answers,
        cursors,
        pending,
        isScanned: scannedSeq === headSeq,
        refusals,
        log: await logOf(store, workspaceId),
      };
    }),
  );
  expect(stored[0]).toMatchObject({
    answers: [
      { applied: 1, superseded: 0, duplicate: 0, setAside: 2 },
      { applied: 1, superseded: 1, duplicate: 1, setAside: 0 },
    ],
    cursors: { '': 2 },
    pending: 0,
    isScanned: true,
  });
  expect(stored[0]?.refusals.map(({ code, message }) => `${code} ${message.slice(0, 9)}`).toSorted()).toEqual([
    'bad_request changeId:',
    'bad_request title: mu',
  ]);
  expect(stored[0]?.log).toHaveLength(3);
  expect(stored[0]?.log[0]).toMatchObject({ received_at: RECEIVED_AT, origin: 'http://server' });
  for (const other of stored) expect(other).toEqual(stored[0]);
});

test.each([...FORMS.entries()])(
  '[S9] what is filed under another workspace is set aside, and the rest is stored (%i)',
  async (index, form) => {
    const session = sessions[index] as BrainSession;
    const [mine, theirs] = [randomUUID(), randomUUID()];
    const own = flatChange({ number: 100 + index, title: 'mine', updatedAt: 5, workspaceId: mine });
    await session.run('syncApply', { peer: { endpoint: 'http://a', workspaceId: mine }, changes: [own] });
    const peer = { endpoint: 'http://b', workspaceId: theirs };
    const changes = [
      { ...own, workspaceId: theirs, title: 'taken over', updatedAt: 8, changeId: randomUUID() },
      flatChange({ number: 200 + index, title: 'theirs', updatedAt: 6, workspaceId: theirs }),
    ];
    expect(await session.run('syncApply', { peer, ...form(changes, theirs) })).toEqual({
      applied: 1,
      superseded: 0,
      duplicate: 0,
      setAside: 1,
    });
    expect(await session.run('syncStanding', peer)).toMatchObject({
      refusedCount: 1,
      refusals: [{ code: 'forbidden', entryId: own.entryId, direction: 'pull' }],
    });
    const entry = await session.run('show', { workspaceId: mine, idOrPrefix: own.entryId });
    expect(entry).toMatchObject({ title: 'mine', workspaceId: mine });
  },
);

test.each([...FORMS.entries()])(
  '[R16] a page counts as what waits for the index by its changes, in any form (%i)',
  async (index, form) => {
    const workspaceId = randomUUID();
    const note = vi.spyOn(IndexBacklog.prototype, 'note');
    const changes = [1, 2, 3].map((number) =>
      flatChange({ number: 300 + number, title: `t${number}`, updatedAt: 5, workspaceId }),
    );
    const session = sessions[index] as BrainSession;
    await session.run('syncApply', { peer: { endpoint: 'http://server', workspaceId }, ...form(changes, workspaceId) });
    await session.run('syncState', { endpoint: 'http://server', workspaceId });
    expect(note).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ changes: 3 }));
  },
);

test('[S27] a page that is none is refused, nothing of it is stored, and the brain goes on', async () => {
  const [session] = sessions as [BrainSession];
  const workspaceId = randomUUID();
  const peer = { endpoint: 'http://server', workspaceId };
  const good = readPage({ changes: [flatChange({ number: 400, title: 't', updatedAt: 5, workspaceId })] }, workspaceId);
  const cursor = { projectId: '', value: 9, epoch: 'e' };
  for (const page of [
    { ...good, entryIds: [] },
    { ...good, rows: [...good.rows, '{'] },
    { ...good, changeIds: ['x', 'y'], entryIds: ['x', 'y'], rows: [...good.rows, '{'] },
    { ...good, rows: [(good.rows[0] ?? '').replace('"updated_at":5', '"updated_at":"soon"')] },
    { ...good, rows: [(good.rows[0] ?? '').replace('"title":"t"', '"title":null')] },
  ]) {
    await expect(session.run('syncApply', { peer, page, cursor })).rejects.toBeInstanceOf(SmError);
  }
  expect(await session.run('syncState', peer)).toMatchObject({ cursors: {} });
  expect(await logOf(stores[0] as OpenStore, workspaceId)).toEqual([]);
  expect(await session.run('syncApply', { peer, page: good, cursor })).toMatchObject({ applied: 1 });
});
