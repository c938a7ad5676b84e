/** What recall finds, and in which order. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecallHit, RecallRequest } from '../../lib/brain/recall-contract.ts';
import type { Entry, EntryDraft } from '../../lib/core/entry.ts';
import { sampleRecords } from '../support/sample-records.ts';
import { openTestSession, type TestSession } from '../support/stores.ts';

let opened: TestSession;
beforeAll(async () => {
  opened = await openTestSession();
  await library('samples', sampleRecords(300));
});
afterAll(() => opened.dispose());

test('[R1] a word that no entry has does not hide the entries that have the others', async () => {
  const recall = await library('r1', [{ title: 'jitter ends the stampede' }, { title: 'something else' }]);
  expect(await recall('jitter')).toEqual(['jitter ends the stampede']);
  expect(await recall('what ended the stampede, jitter or xyzzy')).toEqual(['jitter ends the stampede']);
  expect(await recall('the jitter of and')).toEqual(['jitter ends the stampede']);
  expect(await recall('xyzzy plugh')).toEqual([]);
});

test('[R1] adding words to a query never loses an entry that was found', async () => {
  const words = fc.constantFrom(
    'retry',
    'socket',
    'getUserName',
    'max_wal_size',
    'xyzzy',
    '検索',
    'the',
    'cursor',
    '🚀',
    "it's",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { minLength: 1, maxLength: 4 }),
      fc.array(words, { maxLength: 4 }),
      async (few, more) => {
        const all = { isLoose: true, limit: 1_000 };
        const first = await search('samples', { query: few.join(' '), ...all });
        const second = await search('samples', { query: [...more, ...few].join(' '), ...all });
        const ids = new Set(second.map(({ entryId }) => entryId));
        for (const { entryId } of first) expect(ids).toContain(entryId);
      },
    ),
    { numRuns: 40 },
  );
});

test('[R2] rare words weigh more than common ones, more words more than fewer, short texts more than long ones', async () => {
  const filler = 'nothing of interest is said here at great length. '.repeat(3);
  const recall = await library('r2', [
    ...Array.from({ length: 20 }, (_, index) => ({ title: `common ${index}` })),
    { title: 'rare' },
    { title: 'both', summary: 'rare and common' },
    { title: 'short', summary: 'quokka' },
    { title: 'long', summary: `${filler} quokka` },
    { title: 'apart', summary: 'green is one thing. Quite another thing, with much between them, is tea.' },
    { title: 'together', summary: 'one thing. Quite another thing, with much between them, is: green tea.' },
  ]);
  expect((await recall('common rare')).slice(0, 2).toSorted()).toEqual(['both', 'rare']);
  expect(await recall('quokka')).toEqual(['short', 'long']);
  expect(await recall('green tea')).toEqual(['together', 'apart']);
});

test('[R2] a title outweighs a conclusion or a tag, and these a summary', async () => {
  const recall = await library('r2b', [
    { title: 'third', summary: 'about zebras' },
    { title: 'about zebras' },
    { title: 'second', conclusion: 'about zebras' },
  ]);
  expect(await recall('zebras')).toEqual(['about zebras', 'second', 'third']);
});

test('[R2] scores are from 0 to 1, best first, and the same question gets the same answer', async () => {
  const query = fc.array(fc.constantFrom('retry', 'loop', 'socket', 'cache', 'measured', 'xyzzy'), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(query, async (words) => {
      const request = { query: words.join(' '), limit: 50 };
      const hits = await search('samples', request);
      const scores = hits.map(({ score }) => score);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      for (const score of scores) expect(score > 0 && score <= 1).toBe(true);
      expect(await search('samples', request)).toEqual(hits);
      expect(await search('samples', { ...request, limit: 3 })).toEqual(hits.slice(0, 3));
    }),
    { numRuns: 20 },
  );
});

test.each([
  ['getUserName', ['getUserName', 'getusername', 'GETUSERNAME', 'user', 'Name', 'userName', 'get']],
  ['max_wal_size', ['max_wal_size', 'MAX_WAL_SIZE', 'wal', 'wal_size']],
  ['lib/store/append.ts', ['lib/store/append.ts', 'append.ts', 'store/append', 'append', 'LIB/STORE']],
  ['BrainSession.run', ['BrainSession.run', 'brainsession', 'session', 'Brain']],
  ['node:worker_threads', ['node:worker_threads', 'worker_threads', 'threads']],
  ['@electric-sql/pglite', ['@electric-sql/pglite', 'pglite', 'electric-sql', 'electric']],
  ['sha256Hex', ['sha256Hex', 'sha256', 'hex']],
  ['kebab-case-name', ['kebab-case-name', 'kebab', 'case-name']],
])('[R3] the identifier %s is found whole and by part, whatever its case', async (identifier, queries) => {
  const recall = await library(`r3 ${identifier}`, [
    { title: 'it', summary: `The call of ${identifier} was slow.` },
    { title: 'other', summary: 'Nothing of that kind.' },
  ]);
  for (const query of queries) expect(await recall(query), query).toEqual(['it']);
});

test('[R3] words are found in their other forms', async () => {
  const recall = await library('r3 stems', [{ title: 'Retries were measured' }]);
  for (const query of ['retry', 'retrying', 'measure', 'measuring']) expect(await recall(query), query).toHaveLength(1);
});

test.each([
  ['全文検索は速い', ['全文検索', '検索', '速い']],
  ['журнал изменений теряет записи', ['журнал', 'ЗАПИСИ', 'изменен']],
  ['हिन्दी में खोज', ['हिन्दी', 'खोज']],
  ['Größe und Maß', ['größe', 'grosse'.replace('ss', 'ß'), 'maß']],
])('[R1] text of other languages is found, whole and by part: %s', async (title, queries) => {
  const recall = await library(`languages ${title}`, [{ title }, { title: 'unrelated' }]);
  for (const query of queries) expect(await recall(query), query).toEqual([title]);
});

test('[R4] superseded and retracted entries are found only when asked for', async () => {
  const recall = await library('r4', [{ title: 'cursor old' }, { title: 'cursor new' }, { title: 'cursor gone' }]);
  const byTitle = new Map((await search('r4', {})).map((entry) => [entry.title, entry.entryId]));
  const idOf = (title: string): string => byTitle.get(title) ?? '';
  await opened.session.run('supersede', {
    requestId: randomUUID(),
    workspaceId: 'r4',
    oldId: idOf('cursor old'),
    newId: idOf('cursor new'),
  });
  const reference = { workspaceId: 'r4', idOrPrefix: idOf('cursor gone') };
  await opened.session.run('retract', { requestId: randomUUID(), reference });
  for (const query of ['cursor', 'curso', '']) {
    expect(await recall(query), query).toEqual(['cursor new']);
    const all = await search('r4', { query, includeInactive: true });
    expect(titlesOf(all).toSorted(), query).toEqual(['cursor gone', 'cursor new', 'cursor old']);
  }
});

test('[R5] no query and no filter reaches another workspace or, by default, another project', async () => {
  await library('r5 mine', [{ title: 'shared quokka' }]);
  await library('r5 theirs', [{ title: 'shared quokka of theirs' }]);
  await library('r5 mine', [{ title: 'shared quokka beside' }], 'other');
  for (const query of ['quokka', 'shared', 'quok', '']) {
    expect(titlesOf(await search('r5 mine', { query })), query).toEqual(['shared quokka']);
    const whole = await search('r5 mine', { query, scope: { workspaceId: 'r5 mine', projectId: null } });
    expect(titlesOf(whole).toSorted(), query).toEqual(['shared quokka', 'shared quokka beside']);
  }
});

test('[R6] any text is a query, and finds only entries of its scope that are active', async () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ maxLength: 200 }),
    fc
      .array(fc.constantFrom('retry', '&', '|', '!', '(', ')', '<->', ':*', "'", '\\', '"', '%', '_', '\0', '\ud800'), {
        maxLength: 12,
      })
      .map((parts) => parts.join(' ')),
  );
  await fc.assert(
    fc.asyncProperty(anyText, async (query) => {
      const hits = await search('samples', { query, limit: 10 });
      for (const { workspaceId, status } of hits)
        expect({ workspaceId, status }).toEqual({ workspaceId: 'samples', status: 'active' });
    }),
    { numRuns: 150 },
  );
});

test('[R6] the longest queries are answered', async () => {
  const texts = ['a_'.repeat(2_048), '@A1'.repeat(1_365), '~/'.repeat(2_048), 'x'.repeat(4_096), '<!-- '.repeat(819)];
  texts.push(Array.from({ length: 800 }, (_, n) => n.toString(36)).join(' '));
  for (const query of texts) expect(await search('samples', { query })).toBeInstanceOf(Array);
});

test('[R6] texts that parsers take long over are indexed like any other', async () => {
  // Each of these took PostgreSQL's own parser minutes.
  const texts = ['a_', '1_', '@A1', '~/', '/.', 'a-b.', '<!-- ', 'a-1-b-2-'].map((unit) =>
    unit.repeat(Math.floor(65_536 / unit.length)),
  );
  const drafts = texts.map((summary, index) => ({ title: `hard ${index}`, summary }));
  const recall = await library('hard', drafts);
  expect(await recall('hard')).toHaveLength(texts.length);
});

test('[R6] an empty query gives the newest entries, and one without any word gives none', async () => {
  const recall = await library('r6', [{ title: 'a' }, { title: 'b' }]);
  expect((await recall('')).toSorted()).toEqual(['a', 'b']);
  expect((await recall('  \n')).toSorted()).toEqual(['a', 'b']);
  expect(await recall('!!! ???')).toEqual([]);
});

/** Records `drafts` in a workspace of their own. @returns the titles that a query finds there, best first */
async function library(
  workspaceId: string,
  drafts: EntryDraft[],
  projectId = 'p',
): Promise<(query: string) => Promise<string[]>> {
  opened.clock.nowMs += 1_000;
  for (let start = 0; start < drafts.length; start += 100) {
    const part = drafts.slice(start, start + 100);
    const scope = { workspaceId, projectId };
    await opened.session.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts: part });
  }
  return async (query) => titlesOf(await search(workspaceId, { query }));
}

function search(workspaceId: string, request: Partial<RecallRequest>): Promise<RecallHit[]> {
  return opened.session.run('recall', { scope: { workspaceId, projectId: 'p' }, limit: 1_000, ...request });
}

function titlesOf(entries: Entry[]): string[] {
  return entries.map(({ title }) => title);
}
