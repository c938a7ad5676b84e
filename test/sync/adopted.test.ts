/** What was recorded before logging in reaches the server, whatever the clock said then. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { draftToContent, parseDraft } from '../../lib/core/entry.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import type { SyncDevice } from '../support/sync-device.ts';
import { useSyncPair } from '../support/sync-pair.ts';
import { createTestKey } from '../support/server-keys.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;
const NOWHERE = { key: { apiKey: '', workspaceId: '' }, url: '' };

const pair = useSyncPair();

async function adopt(device: SyncDevice): Promise<void> {
  const { workspaceId } = pair.server.key;
  const answer = await device.session.run('adopt', { requestId: randomUUID(), workspaceId, limit: 1_000 });
  expect(answer.remaining).toBe(0);
}

test('[S8] [S19] what a clock hours ahead stamped before logging in is healed by itself, edits of it too', async () => {
  const { a, b, server } = pair;
  a.skew.ms = 3 * HOUR_MS;
  const [one] = await a.record(NOWHERE, { title: 'one' }, { title: 'two' });
  await a.edit(NOWHERE, one?.entryId ?? '', 'one, edited');
  a.skew.ms = 0;
  await adopt(a);
  await a.edit(server, one?.entryId ?? '', 'one, edited again');
  expect(await a.sync(server)).toMatchObject({ success: true, pending: 0, restamped: 3 });
  await b.sync(server);
  expect(await b.titles(server)).toEqual(['one, edited again', 'two']);
  expect(await a.titles(server)).toEqual(['one, edited again', 'two']);
  const standing = await a.session.run('syncStanding', { endpoint: server.url, workspaceId: server.key.workspaceId });
  expect(standing).toMatchObject({ refusedCount: 0, conflicts: 0 });
  expect(await a.sync(server, { verify: true })).toMatchObject({ restamped: 0, verification: { isEqual: true } });
  expect(await a.session.run('verify', {})).toMatchObject({ isSound: true });
});

test('[S8] [S19] a version from before logging in that was imported is written again only where asked', async () => {
  const { a, b, server } = pair;
  const nowMs = Date.now() + 3 * HOUR_MS;
  const place = { workspaceId: '', projectId: 'p', agent: 'tester', entryId: uuidv7(), nowMs };
  const content = draftToContent(parseDraft({ title: 'one' }), place);
  const change = {
    changeId: randomUUID(),
    base: null,
    replicaId: randomUUID(),
    hash: hashContent(content),
    receivedAt: nowMs,
    entry: { ...content, updatedAt: nowMs },
  };
  await a.session.run('import', { origin: 'import:test', changes: [change] });
  await adopt(a);
  expect(await a.sync(server)).toMatchObject({ restamped: 0, pushed: { refused: 1 } });
  expect(await a.sync(server, { restamp: true })).toMatchObject({ restamped: 1, pending: 0 });
  await b.sync(server);
  expect(await b.titles(server)).toEqual(['one']);
});

/** Before logging in: an entry is recorded or changed, by a clock that is off by so much. */
const step = fc.record({
  entry: fc.nat(2),
  skewMs: fc.oneof(
    fc.constantFrom(0, 4 * MINUTE_MS, 6 * MINUTE_MS, -HOUR_MS, 3 * HOUR_MS),
    fc.integer({ min: -10 * YEAR_MS, max: 100 * YEAR_MS }),
  ),
});

test('[S8] [S19] whatever the clocks were before logging in, all of it gets to the server', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(2), { maxLength: 2 }),
      fc.boolean(),
      async (before, after, isSyncedBetween) => {
        const { a, b, server } = pair;
        server.key = await createTestKey(pair.serverStore, 'test');
        const titles = new Map<number, string>();
        const ids = new Map<number, string>();
        for (const [number, { entry, skewMs }] of before.entries()) {
          a.skew.ms = skewMs;
          const entryId = ids.get(entry);
          titles.set(entry, `${entry} at ${number}`);
          const title = `${entry} at ${number}`;
          if (entryId === undefined) ids.set(entry, (await a.record(NOWHERE, { title }))[0]?.entryId ?? '');
          else await a.edit(NOWHERE, entryId, title);
        }
        a.skew.ms = 0;
        await adopt(a);
        if (isSyncedBetween) await a.sync(server);
        for (const [number, entry] of after.entries()) {
          const entryId = ids.get(entry);
          if (entryId === undefined) continue;
          titles.set(entry, `${entry} after ${number}`);
          await a.edit(server, entryId, `${entry} after ${number}`);
        }
        const report = await a.sync(server);
        expect(report).toMatchObject({ success: true, pending: 0 });
        await b.sync(server);
        expect(await b.titles(server)).toEqual([...titles.values()].toSorted());
        expect(await a.titles(server)).toEqual([...titles.values()].toSorted());
        expect(await a.session.run('verify', {})).toMatchObject({ isSound: true });
      },
    ),
    { numRuns: 40 },
  );
});
