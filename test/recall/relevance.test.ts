/** What recall leaves out, what it brings instead, and what it answers of another time. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RecallHit, RecallRequest } from '../../lib/brain/recall-contract.ts';
import type { BrainSession } from '../../lib/brain/session.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { ENTRY_KINDS, ENTRY_STATUSES } from '../../lib/core/vocabulary.ts';
import { matchesFilter, type StoreFilter } from '../../lib/store/filter.ts';
import { listEntries } from '../../lib/store/read.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { openMemorySession } from '../support/memory-store.ts';

let store: OpenStore;
let session: BrainSession;
let nowMs = Date.UTC(2026, 0, 1);
let workspaceId: string;
beforeAll(async () => {
  store = await openMemoryStore();
  session = await openMemorySession(store, {
    nowMs: () => nowMs,
    createEntryId: () => randomUUID(),
    createReplicaId: randomUUID,
  });
});
afterAll(() => store.close());
beforeEach(() => {
  workspaceId = randomUUID();
});

type Draft = Record<string, unknown> & { title: string };

async function record(...drafts: Draft[]): Promise<Entry[]> {
  return session.run('record', { requestId: randomUUID(), scope: { workspaceId, projectId: 'p' }, agent: 'a', drafts });
}

function ask(query: string, more: Partial<RecallRequest> = {}): Promise<RecallHit[]> {
  return session.run('recall', { scope: { workspaceId, projectId: 'p' }, query, limit: 20, ...more });
}

async function titles(query: string, more: Partial<RecallRequest> = {}): Promise<string[]> {
  return (await ask(query, more)).map(({ title }) => title);
}

test('[R7] a question that nothing answers has no answer; the nearest misses are there on request', async () => {
  await record(
    { title: 'Retries hide the race in checkout', conclusion: 'Lock the row first.' },
    { title: 'Pool size eight', summary: 'The database connection pool was measured under load.' },
  );
  expect(await titles('how do I bake sourdough bread with a database')).toEqual([]);
  expect(await titles('how do I bake sourdough bread with a database', { isLoose: true })).toEqual(['Pool size eight']);
  expect(await titles('checkout race')).toEqual(['Retries hide the race in checkout']);
  const [hit] = await ask('what can hide a checkout race, or a quokka');
  expect(hit).toMatchObject({ matched: ['hide', 'checkout', 'race'] });
  expect(hit?.reasons.words).toBeGreaterThan(0);
});

test('[R7] a single word finds what has it, however long that is', async () => {
  const summary = `${'Nothing of interest is said here at some length. '.repeat(8)} Then comes jitter.`;
  await record({ title: 'A long report', summary }, { title: 'Short' });
  expect(await titles('jitter')).toEqual(['A long report']);
});

test('[R7] in a young brain words that it has not yet heard say little', async () => {
  await record({
    title: 'Connection pool of 50 for checkout',
    conclusion: 'Worse: p99 rose from 180 ms to 420 ms',
    tags: ['postgres', 'performance'],
  });
  expect(await titles('checkout timeouts database pool')).toEqual(['Connection pool of 50 for checkout']);
  expect(await titles('how long should I bake the bread for checkout')).toEqual([]);
});

test('[R17] a question of common words alone finds the titles that are little else', async () => {
  nowMs = Date.UTC(2026, 0, 2);
  await record(
    { title: 'To be, or not to be?' },
    { title: 'To be or not to be here' },
    { title: 'It is better to be or not to be asked in every single case', tags: ['x'] },
    { title: 'What it is not', summary: 'to be or not to be' },
  );
  expect(await titles('to be or not to be')).toEqual(['To be, or not to be?', 'To be or not to be here']);
  expect(await titles('"To be" or not to be')).toHaveLength(2);
  expect(await titles('to be or not to be', { isLoose: true })).toHaveLength(3);
  expect(await titles('to be or not to be', { isLoose: true, limit: 1 })).toEqual(['To be, or not to be?']);
  expect(await titles('to be or not to be tag:x', { isLoose: true })).toHaveLength(1);
  expect(await titles('what it is')).toEqual(['What it is not']);
  expect(await titles('the')).toEqual([]);
  expect(await titles('??? ...')).toEqual([]);
  expect(await titles('to be or not to be', { asOfMs: Date.UTC(2026, 0, 1) })).toEqual([]);
  expect((await ask('what it is'))[0]).toMatchObject({ score: 0.75, matched: ['what', 'it', 'is'] });
});

test('[R10] a phrase is looked for as it stands; where nothing has it, its words count', async () => {
  await record(
    { title: 'connection pool' },
    { title: 'pool of connection strings' },
    { title: 'Connection  Pool size' },
  );
  expect((await titles('"connection pool"')).toSorted()).toEqual(['Connection  Pool size', 'connection pool']);
  expect(await titles('"pool connection"')).toHaveLength(3);
  expect(await titles('pool -strings')).not.toContain('pool of connection strings');
});

test('[R10] a phrase with a minus leaves out what says it, and not what has its words', async () => {
  await record(
    { title: 'pool one', conclusion: 'the read  Only replica', tags: ['db'] },
    { title: 'pool two', conclusion: 'only read it', tags: ['db'] },
    { title: 'pool three', conclusion: 'thread only', tags: ['db'] },
    { title: 'pool four', summary: 'in lib/store/read.ts' },
    { title: 'pool five', summary: 'a library in a store', tags: ['db'] },
    { title: 'pool six', summary: 'connection pools, 新接続プール' },
    { title: 'pool seven', summary: '接続' },
  );
  const left = async (query: string) => (await titles(query)).map((title) => title.slice('pool '.length)).toSorted();
  expect(await left('pool -"read only"')).toEqual(['five', 'four', 'seven', 'six', 'three', 'two']);
  expect(await left('pool -lib/store')).toEqual(['five', 'one', 'seven', 'six', 'three', 'two']);
  expect(await left('pool -"connection pool"')).toEqual(['five', 'four', 'one', 'seven', 'three', 'two']);
  expect(await left('pool -接続プール')).toEqual(['five', 'four', 'one', 'seven', 'three', 'two']);
  expect(await left('tag:db -"read only"')).toEqual(['five', 'three', 'two']);
  expect(await left('tag:db -thread')).toEqual(['five', 'one', 'two']);
});

test('[R15] what the query names exactly comes first: a tag, a ref, an id', async () => {
  const [, tagged, referring] = await record(
    { title: 'postgres postgres postgres' },
    { title: 'something else', tags: ['Postgres'] },
    { title: 'another thing', refs: ['src/pool.ts'], summary: 'long '.repeat(50) },
    { title: 'src/pool.ts src/pool.ts' },
  );
  expect((await ask('postgres'))[0]).toMatchObject({ entryId: tagged?.entryId, reasons: { exact: 'tag' } });
  expect((await ask('src/pool.ts'))[0]).toMatchObject({ entryId: referring?.entryId, reasons: { exact: 'ref' } });
  const id = tagged?.entryId ?? '';
  expect((await ask(id))[0]).toMatchObject({ entryId: id, score: 1, reasons: { exact: 'id' } });
  expect((await ask(id.slice(0, 13)))[0]?.entryId).toBe(id);
});

test('[R11] in place of a superseded entry comes its last successor, once, and says so', async () => {
  const [first, second, third] = await record(
    { title: 'Use Redis for the queue of jobs' },
    { title: 'Use a table' },
    { title: 'Use LISTEN and NOTIFY' },
  );
  for (const [old, newer] of [
    [first, second],
    [second, third],
  ]) {
    const requestId = randomUUID();
    await session.run('supersede', { requestId, workspaceId, oldId: old?.entryId ?? '', newId: newer?.entryId ?? '' });
  }
  const hits = await ask('redis queue jobs');
  expect(hits).toMatchObject([{ entryId: third?.entryId, status: 'active', insteadOf: first?.entryId }]);
  expect(hits[0]).not.toHaveProperty('supersededBy');
  expect(await titles('redis queue jobs', { includeInactive: true })).toEqual(['Use Redis for the queue of jobs']);
  expect(await titles('redis queue jobs', { statuses: ['superseded'] })).toEqual(['Use Redis for the queue of jobs']);
});

test('[R12] an answer as of a time comes from what was current then', async () => {
  nowMs = Date.UTC(2026, 1, 1);
  const [entry] = await record({ title: 'Cache for an hour' }, { title: 'Unchanged cache' });
  nowMs = Date.UTC(2026, 2, 1);
  const reference = { workspaceId, idOrPrefix: entry?.entryId ?? '' };
  await session.run('edit', { requestId: randomUUID(), reference, edit: { title: 'Cache for a day' } });
  await record({ title: 'A cache of later' });
  const asOfMs = Date.UTC(2026, 1, 15);
  expect((await titles('cache', { asOfMs })).toSorted()).toEqual(['Cache for an hour', 'Unchanged cache']);
  expect((await titles('', { asOfMs })).toSorted()).toEqual(['Cache for an hour', 'Unchanged cache']);
  expect(await titles('cache', { asOfMs: Date.UTC(2026, 0, 15) })).toEqual([]);
  expect((await titles('cache')).toSorted()).toEqual(['A cache of later', 'Cache for a day', 'Unchanged cache']);
});

test('[R14] what says nearly the same is suggested, and nothing else', async () => {
  const [old] = await record(
    { title: 'Retries need jitter', conclusion: 'Add random jitter to every retry of the payment client.' },
    { title: 'Retries need a limit', conclusion: 'Give up after five attempts of the mail client.' },
  );
  const [again] = await record({
    title: 'Retries need some jitter',
    conclusion: 'Add random jitter to every retry of the payment client.',
  });
  const reference = { workspaceId, idOrPrefix: again?.entryId ?? '' };
  expect(await session.run('similar', reference)).toMatchObject([{ entryId: old?.entryId, title: old?.title }]);
  const [other] = await record({ title: 'Use integer cents' });
  expect(await session.run('similar', { workspaceId, idOrPrefix: other?.entryId ?? '' })).toEqual([]);
});

test('[R9] filters keep exactly the entries that they describe, by postings, by SQL and by hand', async () => {
  const tags = ['x', 'y', 'Z'];
  const refs = ['commit:1a2b3c4d5e6f', 'src/a_b.ts', 'STA-412', 'https://example.com/a%20b'];
  const drafts = ENTRY_KINDS.flatMap((kind, index) =>
    tags.map((tag, place) => ({
      title: `word ${kind} ${tag}`,
      kind,
      agent: `agent ${place}`,
      tags: [tag, ...(index % 2 === 0 ? ['x'] : [])],
      refs: [refs[(index + place) % refs.length] ?? ''],
    })),
  );
  nowMs = Date.UTC(2026, 3, 1);
  const recorded = await record(...drafts.slice(0, 6));
  nowMs += 1_000;
  recorded.push(...(await record(...drafts.slice(6))));
  const [gone] = recorded;
  const reference = { workspaceId, idOrPrefix: gone?.entryId ?? '' };
  await session.run('retract', { requestId: randomUUID(), reference });
  const entries = await session.run('list', {
    scope: { workspaceId, projectId: null },
    includeInactive: true,
    limit: 99,
  });
  const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const filters = fc.record({
    kind: option(fc.constantFrom(...ENTRY_KINDS)),
    agent: option(fc.constantFrom('agent 0', 'agent 1', 'nobody')),
    tags: option(fc.subarray(tags, { minLength: 1, maxLength: 2 })),
    ref: option(fc.constantFrom('1a2b3c4', 'a_b.ts', 'aXb.ts', 'sta-412', 'b', '%', 'a%20b')),
    sinceMs: option(fc.constantFrom(nowMs - 1_000, nowMs)),
    untilMs: option(fc.constantFrom(nowMs - 1_000, nowMs)),
    statuses: option(fc.subarray([...ENTRY_STATUSES], { minLength: 1 })),
    includeInactive: option(fc.boolean()),
  });
  await fc.assert(
    fc.asyncProperty(filters, async (drawn) => {
      const filter = Object.fromEntries(
        Object.entries(drawn).filter(([, value]) => value !== undefined),
      ) as StoreFilter;
      const scope = { workspaceId, projectId: 'p' };
      const expected = entries.filter((entry) => matchesFilter(entry, scope, filter)).map(({ title }) => title);
      const listed = await listEntries(store.database, { scope, filter, limit: 99 });
      expect(listed.map(({ title }) => title).toSorted()).toEqual(expected.toSorted());
      expect((await titles('word', { ...filter, limit: 99 })).toSorted()).toEqual(expected.toSorted());
    }),
    { numRuns: 60 },
  );
});
