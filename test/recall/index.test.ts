/** The index: after any history it is what the entries give anew, and what is indexed when changes no answer. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BrainSession } from '../../lib/brain/session.ts';
import { IndexBacklog } from '../../lib/brain/index-backlog.ts';
import { StoreUpkeep } from '../../lib/brain/upkeep.ts';
import { countUnindexed, readSegments } from '../../lib/recall/segments.ts';
import { indexStep, isIndexingDue, segmentsToMerge } from '../../lib/recall/indexing.ts';
import { decodePostings, encodeSegment, SEGMENT_DOCUMENTS_MAX } from '../../lib/recall/postings.ts';
import { verifyIndex } from '../../lib/recall/verify-index.ts';
import { rebuildEntries } from '../../lib/store/verify.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { openMemorySession } from '../support/memory-store.ts';
import { inScratch } from '../support/stores.ts';

let store: OpenStore;
let session: BrainSession;
let workspaceId: string;
let aheadMs = 0;
beforeAll(async () => {
  store = await openMemoryStore();
  session = await openMemorySession(store, {
    nowMs: () => Date.now() + aheadMs,
    createEntryId: () => randomUUID(),
    createReplicaId: randomUUID,
  });
});
afterAll(() => store.close());
beforeEach(() => {
  workspaceId = randomUUID();
});

const WORDS = ['retry', 'socket', 'cursor', 'getUserName', 'max_wal_size', 'pool', 'timeout', '数据库'];

async function record(title: string, projectId = 'p'): Promise<string> {
  const [entry] = await session.run('record', {
    requestId: randomUUID(),
    scope: { workspaceId, projectId },
    agent: 'test',
    drafts: [{ title, tags: [title.slice(0, 3)], refs: [`src/${title.length}.ts`] }],
  });
  return entry?.entryId ?? '';
}

async function step(): Promise<void> {
  await store.database.transaction((transaction) => indexStep(transaction));
}

function ask(query: string): Promise<unknown> {
  return session.run('recall', { scope: { workspaceId, projectId: null }, query, limit: 50, isLoose: true });
}

const title = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 }).map((words) => words.join(' '));
const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('record' as const), title, entry: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('edit' as const), title, entry: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retract' as const), title, entry: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('index' as const), title, entry: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('adopt' as const), title, entry: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rebuild' as const), title, entry: fc.nat(9) }) },
);

test('[R8] after any history the index is what the entries give anew, and indexing changes no answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), title, async (changes, query) => {
      workspaceId = randomUUID();
      const ids: string[] = [];
      for (const each of changes) {
        const reference = { workspaceId, idOrPrefix: ids[each.entry % Math.max(1, ids.length)] ?? '' };
        const write = { requestId: randomUUID(), reference };
        if (each.do === 'record') ids.push(await record(each.title));
        else if (each.do === 'index') await step();
        else if (each.do === 'rebuild') await store.database.transaction((transaction) => rebuildEntries(transaction));
        else if (ids.length === 0) continue;
        else if (each.do === 'edit') await session.run('edit', { ...write, edit: { title: each.title } });
        else if (each.do === 'retract') await session.run('retract', write);
      }
      expect(await verifyIndex(store.database)).toEqual([]);
      const before = await ask(query);
      while (await isIndexingDue(store.database)) await step();
      await step();
      expect(await verifyIndex(store.database)).toEqual([]);
      const after = (await ask(query)) as { score: number }[];
      // The times at which the two were asked differ by some milliseconds of age.
      const rounded = (hits: unknown): unknown =>
        (hits as { score: number; entryId: string }[]).map(({ entryId, score }) => [entryId, score.toFixed(5)]);
      expect(rounded(after)).toEqual(rounded(before));
    }),
    { numRuns: 25 },
  );
});

test('[R2] [R8] of many that are equally good the newest are the answer, wherever in the index they are', async () => {
  workspaceId = randomUUID();
  const ids: string[] = [];
  for (let index = 0; index < 90; index += 1) {
    aheadMs += 1_000;
    ids.push(await record(`quokka ${index + 100}`));
    if (index === 50) await step();
  }
  aheadMs += 1_000;
  await session.run('edit', {
    requestId: randomUUID(),
    reference: { workspaceId, idOrPrefix: ids[3] ?? '' },
    edit: { title: 'quokka 999' },
  });
  const expected = [ids[3], ...ids.slice(-9).toReversed()];
  const newest = async () =>
    ((await ask('quokka')) as { entryId: string }[]).slice(0, 10).map(({ entryId }) => entryId);
  expect(await newest()).toEqual(expected);
  await step();
  expect(await newest()).toEqual(expected);
});

test('[R8] what was adopted by a workspace is found there, indexed before or not', async () => {
  workspaceId = '';
  await record('adopted quokka');
  await step();
  await record('adopted wombat');
  const workspace = randomUUID();
  await session.run('adopt', { requestId: randomUUID(), workspaceId: workspace, limit: 1_000 });
  workspaceId = workspace;
  for (const query of ['quokka', 'wombat']) expect(await ask(query)).toHaveLength(1);
  expect(await verifyIndex(store.database)).toEqual([]);
  await step();
  for (const query of ['quokka', 'wombat']) expect(await ask(query)).toHaveLength(1);
  expect(await verifyIndex(store.database)).toEqual([]);
});

test('[R8] verification finds a posting that is gone, one that was changed, and an entry that is in no place', async () => {
  await record('retry socket');
  await step();
  const forgeries = [
    `DELETE FROM brain_postings WHERE term = 'retri'`,
    `UPDATE brain_postings SET data = set_byte(data, 1, 99) WHERE term = 'socket'`,
    `DELETE FROM brain_documents WHERE doc = (SELECT max(doc) FROM brain_documents WHERE NOT is_dead)`,
    `UPDATE brain_segments SET length_total = length_total + 9`,
  ];
  for (const forgery of forgeries) {
    await inScratch(store, async (transaction) => {
      await transaction.execute(sql.raw(forgery));
      expect(await verifyIndex(transaction), forgery).not.toEqual([]);
    });
  }
  expect(await verifyIndex(store.database)).toEqual([]);
});

test('[R8] postings come back as they went in', () => {
  const document = fc.record({
    weights: fc
      .array(fc.tuple(fc.constantFrom(...WORDS), fc.integer({ min: 1, max: 255 })))
      .map((pairs) => new Map(pairs)),
    attributes: fc.subarray(['=kind:note', '=project:p']),
    lengthCode: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(document, { maxLength: 40 }), (documents) => {
      const encoded = encodeSegment(documents);
      documents.forEach(({ weights, attributes, lengthCode }, place) => {
        for (const term of [...WORDS, '=kind:note', '=project:p']) {
          const weight = weights.get(term) ?? (attributes.includes(term) ? 0 : undefined);
          const found = decodePostings(encoded.get(term) ?? new Uint8Array()).find(
            (posting) => posting.place === place,
          );
          expect(found).toEqual(weight === undefined ? undefined : { place, weight, lengthCode });
        }
      });
    }),
    { numRuns: 100 },
  );
  expect(() => decodePostings(Uint8Array.of(0x80, 0x80, 1, 1))).toThrow(/cannot be read/);
  expect(() => decodePostings(Uint8Array.of(1))).toThrow(/cannot be read/);
});

test('[R8] segments that are small or mostly dead are put together, of one workspace and no more than fit', () => {
  const segment = (number: number, documents: number, dead = 0, workspace = 'w') => ({
    segment: number,
    workspaceId: workspace,
    documents,
    lengthTotal: 0,
    dead: Array.from({ length: dead }, (_, place): [number, number] => [place, 0]),
  });
  expect(segmentsToMerge([])).toEqual([]);
  expect(segmentsToMerge([segment(1, 64), segment(2, 64)])).toEqual([]);
  expect(segmentsToMerge([1, 2, 3, 4, 5, 6, 7, 8].map((number) => segment(number, 64)))).toHaveLength(8);
  expect(segmentsToMerge([1, 2, 3, 4, 5, 6, 7, 8].map((number) => segment(number, 64, 0, `w${number}`)))).toEqual([]);
  expect(segmentsToMerge([segment(1, SEGMENT_DOCUMENTS_MAX, 300), segment(2, 1_000)])).toEqual([1]);
  expect(segmentsToMerge([segment(1, SEGMENT_DOCUMENTS_MAX), segment(2, SEGMENT_DOCUMENTS_MAX)])).toEqual([]);
});

test('[R16] after a large load the index follows as soon as nobody asks; a small one waits for quiet', async () => {
  await indexAll();
  await recordMany(200);
  await session.indexSoon();
  expect(await waiting()).toBe(200);
  await recordMany(1_000);
  await session.indexSoon();
  expect(await waiting()).toBeLessThan(32);
  expect(await verifyIndex(store.database)).toEqual([]);
});

test('[R16] a load never leaves more unindexed than the next question can wait for', async () => {
  await indexAll();
  const backlog = new IndexBacklog(store.database, await StoreUpkeep.open(store, process.cwd(), 'brain'), 300);
  await recordMany(290);
  await backlog.note({ changes: 290, requestBytes: 20_000 });
  expect(await waiting()).toBe(290);
  await recordMany(20);
  await backlog.note({ changes: 20, requestBytes: 2_000 });
  expect(await waiting()).toBe(0);
  expect(await verifyIndex(store.database)).toEqual([]);
});

test('[R16] a question goes through few short entries, and no more long ones than that takes', async () => {
  await indexAll();
  const scope = { workspaceId, projectId: 'p' };
  const ask = () => session.run('recall', { scope, query: 'anything at all', limit: 1 });
  const log = () => Array.from({ length: 1_400 }, () => randomUUID()).join('\n');
  const record = (title: string, summary: string) =>
    session.run('record', { requestId: randomUUID(), scope, agent: 'test', drafts: [{ title, summary }] });
  for (let number = 0; number < 5; number += 1) await record(`log ${number}`, log());
  await ask();
  expect(await waiting()).toBe(5);
  await record('one log more', log());
  await ask();
  expect(await waiting()).toBe(0);
  await record('a note', 'short');
  await ask();
  expect(await waiting()).toBe(1);
  expect(await verifyIndex(store.database)).toEqual([]);
});

function waiting(): Promise<number> {
  return countUnindexed(store.database, 9_999);
}

async function indexAll(): Promise<void> {
  while ((await waiting()) > 0) await step();
}

async function recordMany(count: number): Promise<void> {
  const drafts = Array.from({ length: count }, (_, number) => ({ title: `filler ${number} ${WORDS[number % 8]}` }));
  const scope = { workspaceId, projectId: 'p' };
  await session.run('record', { requestId: randomUUID(), scope, agent: 'test', drafts });
  await untilQuiet();
}

/** A write is answered before what follows it is done; a read comes after that. */
async function untilQuiet(): Promise<void> {
  await session.run('list', { scope: { workspaceId, projectId: 'p' }, limit: 1 });
  await new Promise((resolve) => setImmediate(resolve));
}

test('[R8] many entries become segments that hold at most so many', async () => {
  for (let batch = 0; batch < 2; batch += 1) await recordMany(1_000);
  // A recall goes through a few entries one by one; so many are indexed first.
  expect(await ask('filler 7')).toHaveLength(50);
  const segments = (await readSegments(store.database)).filter((each) => each.workspaceId === workspaceId);
  expect(segments.length).toBeGreaterThan(0);
  for (const { documents } of segments) expect(documents).toBeLessThanOrEqual(SEGMENT_DOCUMENTS_MAX);
  await session.doUpkeep();
  expect(await isIndexingDue(store.database)).toBe(false);
  expect(await verifyIndex(store.database)).toEqual([]);
});
