/** What was handed out and is recorded again, and what only looks like it (lib/brain/echo.ts). */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HandedOut } from '../../lib/brain/echo.ts';
import type { BrainSession } from '../../lib/brain/session.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { plainContent } from '../support/arbitraries.ts';
import { openMemorySession } from '../support/memory-store.ts';

const CONCLUSION =
  'Raising the pool of connections from 10 to 50 made it worse: context switches doubled, and the p99 of the checkout rose ' +
  'from 180 ms to 420 ms. Keep it at 10 and queue in front of it instead.';

let store: OpenStore;
let session: BrainSession;
let workspaceId: string;
beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(() => store.close());
beforeEach(async () => {
  workspaceId = randomUUID();
  session = await openMemorySession(store, {
    nowMs: Date.now,
    createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
    createReplicaId: randomUUID,
  });
});

const scope = () => ({ workspaceId, projectId: 'p' });
const record = (conclusion: string, more: object = {}) =>
  session.run('record', {
    requestId: randomUUID(),
    scope: scope(),
    agent: 'a',
    drafts: [{ title: 'The pool of connections', conclusion }],
    ...more,
  });
const recorded = async (...parameters: Parameters<typeof record>): Promise<Entry> => {
  const [entry] = await record(...parameters);
  if (entry === undefined) throw new Error('Nothing was recorded.');
  return entry;
};
const show = (idOrPrefix: string) => session.run('show', { workspaceId, idOrPrefix });

test.each<[string, (entry: Entry) => Promise<unknown>]>([
  ['recall', () => session.run('recall', { scope: scope(), query: 'pool connections', limit: 5 })],
  ['show', ({ entryId }) => show(entryId)],
  ['context', () => session.run('context', { scope: scope(), budget: 2_000, format: 'markdown' })],
])('[E9] what %s has handed out is refused when it is recorded again, and the entry is named', async (_, handOut) => {
  const entry = await recorded(CONCLUSION);
  await expect(record(CONCLUSION.replaceAll(',', ' –'))).resolves.toHaveLength(1); // Nobody was told of it yet.
  await handOut(entry);
  const failure = await record(`As we know: ${CONCLUSION.toUpperCase()}`).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'exists', details: { reason: 'echo' } });
  expect(String(failure)).toContain((failure as { details: { entryId: string } }).details.entryId);
});

test('[E9] news is recorded: another figure, other words, a short text, what was superseded or is meant to be', async () => {
  const entry = await recorded(CONCLUSION);
  await show(entry.entryId);
  await record(CONCLUSION.replace('420', '430'));
  await record(
    'The pool of connections was not it after all: the time went into TLS handshakes with the proxy in front.',
  );
  await record('Raising the pool made it worse.');
  await expect(record(CONCLUSION)).rejects.toMatchObject({ code: 'exists' });
  await record(CONCLUSION, { allowsEcho: true });
  await record(CONCLUSION, { supersedes: entry.entryId });
  const other = { workspaceId: randomUUID(), projectId: 'p' };
  await record(CONCLUSION, { scope: other });
});

test('[E9] what was handed out and has been retracted since may be recorded', async () => {
  const entry = await recorded(CONCLUSION);
  await show(entry.entryId);
  await session.run('retract', { requestId: randomUUID(), reference: { workspaceId, idOrPrefix: entry.entryId } });
  await record(CONCLUSION);
});

test('[E9] a record whose answer was lost is no echo of itself', async () => {
  const request = { requestId: randomUUID() };
  const entry = await recorded(CONCLUSION, request);
  await show(entry.entryId);
  expect(await record(CONCLUSION, request)).toEqual([entry]);
});

test('[E9] of any texts only those are echoes whose figures are all known, and memory is bounded', () => {
  const words = fc.array(fc.constantFrom('pool', 'of', 'the', 'p99', '180', '420', 'rose', 'worse', 'x1'), {
    minLength: 14,
    maxLength: 30,
  });
  fc.assert(
    fc.property(words, words, (a, b) => {
      const handedOut = new HandedOut();
      const entry = { ...plainContent(1, 'title'), conclusion: a.join(' '), updatedAt: 1 };
      handedOut.note([entry]);
      const found = handedOut.findSource(entry.workspaceId, { title: '', summary: '', conclusion: b.join(' ') });
      if (found === undefined) return;
      for (const word of b) if (/\d/.test(word)) expect(a).toContain(word);
    }),
  );
  const handedOut = new HandedOut();
  for (let n = 0; n < 2_000; n += 1) {
    handedOut.note([{ ...plainContent(n, 't'), conclusion: `entry ${n} ${CONCLUSION}`, updatedAt: 1 }]);
  }
  const sourceOf = (n: number) =>
    handedOut.findSource(plainContent(1, '').workspaceId, {
      title: '',
      summary: '',
      conclusion: `entry ${n} ${CONCLUSION}`,
    });
  expect(sourceOf(1_999)).toBe(plainContent(1_999, '').entryId);
  expect(sourceOf(3)).toBeUndefined();
});
