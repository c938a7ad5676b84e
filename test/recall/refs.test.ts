/** What a ref names of a place in the code, and what `why` answers. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EntryDraft } from '../../lib/core/entry.ts';
import { PlaceIndex } from '../../lib/recall/refs.ts';
import { openTestSession, type TestSession } from '../support/stores.ts';

const LAST = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334';
const FIRST = 'b1b2c3d4e5f60718293a4b5c6d7e8f9001122334';
const PLACE = { commits: [LAST, FIRST], paths: ['src/net/retry.ts', 'lib/again.ts'], keys: ['STA-412', '#12'] };

let opened: TestSession;
beforeAll(async () => {
  opened = await openTestSession();
});
afterAll(() => opened.dispose());

test.each([
  [LAST, 'commit', LAST],
  ['a1b2c3d', 'commit', LAST],
  ['commit:b1b2c3d4e', 'commit', FIRST],
  ['https://github.com/acme/app/commit/A1B2C3D4E5F6', 'commit', LAST],
  ['acme/app@a1b2c3d', 'commit', LAST],
  ['src/net/retry.ts', 'path', 'src/net/retry.ts'],
  ['./src/net/retry.ts:42', 'path', 'src/net/retry.ts'],
  ['file:src/net/retry.ts#L12-L20', 'path', 'src/net/retry.ts'],
  ['net/retry.ts', 'path', 'src/net/retry.ts'],
  ['retry.ts:40-60', 'path', 'src/net/retry.ts'],
  ['/home/ada/app/src/net/retry.ts', 'path', 'src/net/retry.ts'],
  ['https://github.com/acme/app/blob/main/lib/again.ts#L3', 'path', 'lib/again.ts'],
  ['sta-412', 'key', 'STA-412'],
  ['https://acme.atlassian.net/browse/STA-412', 'key', 'STA-412'],
  ['PR-12', 'key', '#12'],
  ['https://github.com/acme/app/pull/12', 'key', '#12'],
])('[R24] the ref %s is the %s %s', (ref, by, names) => {
  expect(new PlaceIndex(PLACE).match(ref)).toEqual({ by, ref, names });
});

test.each([
  'a1b2c3',
  'a1b2c3e',
  'src',
  'net',
  'retry',
  'ts',
  'xretry.ts',
  'src/net',
  'STA-41',
  'STA-4123',
  '#1',
  '12',
  '',
])('[R24] the ref %j names nothing of it', (ref) => {
  expect(new PlaceIndex(PLACE).match(ref)).toBeUndefined();
});

test('[R24] the commit of the line comes first, then other commits, paths and keys; the newest of the same', async () => {
  const found = await record([
    { title: 'key', refs: ['STA-412'] },
    { title: 'old path', refs: ['lib/again.ts'] },
    { title: 'path', refs: ['retry.ts', 'STA-412'] },
    { title: 'first commit', refs: ['b1b2c3d'] },
    { title: 'line', refs: ['src/net/retry.ts', `commit:${LAST}`] },
    { title: 'line, newer', refs: ['a1b2c3d4'] },
    { title: 'none', refs: ['docs/retry.md', 'c1b2c3d'] },
    { title: 'no refs' },
  ]);
  const hits = await ask(found.workspaceId);
  expect(hits.map(({ title }) => title)).toEqual(['line, newer', 'line', 'first commit', 'path', 'old path', 'key']);
  expect(hits[1]?.matched).toEqual([
    { by: 'commit', ref: `commit:${LAST}`, names: LAST },
    { by: 'path', ref: 'src/net/retry.ts', names: 'src/net/retry.ts' },
  ]);
  expect(await ask(found.workspaceId, { projectId: 'another' })).toEqual([]);
  expect(await ask(found.workspaceId, { projectId: null })).toHaveLength(6);
  expect(await ask(randomUUID())).toEqual([]);
});

test('[R24] the successor stands in for a superseded entry, and a retracted one is gone', async () => {
  const { workspaceId, ids } = await record([
    { title: 'old', refs: ['retry.ts'] },
    { title: 'new' },
    { title: 'gone', refs: ['retry.ts'] },
  ]);
  const [old = '', successor = '', gone = ''] = ids;
  await opened.session.run('supersede', { requestId: randomUUID(), workspaceId, oldId: old, newId: successor });
  await opened.session.run('retract', { requestId: randomUUID(), reference: { workspaceId, idOrPrefix: gone } });
  const hits = await ask(workspaceId);
  expect(hits).toMatchObject([{ title: 'new', insteadOf: old, status: 'active', matched: [{ by: 'path' }] }]);
  expect(hits[0]).not.toHaveProperty('supersededBy');
});

test('[R21] without a question: what was decided, what failed, what is new, this project before the others', async () => {
  const { workspaceId, ids } = await record([
    { title: 'a note' },
    { title: 'Redis queue', kind: 'experiment', conclusion: 'Did not help: slower than before.' },
    { title: 'Batching', kind: 'experiment', conclusion: 'Twice as fast.' },
    { title: 'withdrawn', kind: 'decision' },
    { title: 'PostgreSQL', kind: 'decision', conclusion: 'One database for all.' },
  ]);
  await record([{ title: 'of another project', kind: 'decision' }], { workspaceId, projectId: 'other' });
  await opened.session.run('retract', {
    requestId: randomUUID(),
    reference: { workspaceId, idOrPrefix: ids[3] ?? '' },
  });
  const scope = { workspaceId, projectId: 'p' };
  const { text, tokens } = await opened.session.run('context', { scope, budget: 2_000, format: 'markdown' });
  const order = [
    '## Decided',
    '- PostgreSQL',
    '## Tried and failed',
    '- Redis queue',
    '## New',
    '- Batching',
    '- a note',
  ];
  const places = order.map((part) => text.indexOf(part));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
  expect(text).not.toMatch(/withdrawn|another project/);
  expect(tokens).toBeLessThanOrEqual(2_000);
  const org = await opened.session.run('context', { scope, includesOrg: true, budget: 2_000, format: 'markdown' });
  expect(org.text).toContain('- of another project (decision, today, tester, another project');
  expect(org.entries.at(-1)?.title ?? '').not.toBe('PostgreSQL');
});

test('[R21] a question brings what is relevant to it, and nothing where nothing is', async () => {
  const { workspaceId } = await record([
    { title: 'Jitter ends the stampede', conclusion: 'Full jitter.' },
    { title: 'Vacuum nightly', conclusion: 'At three.' },
  ]);
  const ask = (query: string) =>
    opened.session.run('context', { scope: { workspaceId, projectId: 'p' }, query, budget: 500, format: 'json' });
  expect((await ask('jitter stampede')).entries.map(({ title }) => title)).toEqual(['Jitter ends the stampede']);
  expect(await ask('quantum flux')).toEqual({ text: '', tokens: 0, budget: 500, entries: [], omitted: 0 });
  await expect(
    opened.session.run('context', { scope: { workspaceId, projectId: 'p' }, budget: 50, format: 'json' }),
  ).rejects.toMatchObject({ code: 'bad_request', message: expect.stringContaining('budget') as string });
});

test('[R21] an id in a context names one entry, also of many that were written at once', async () => {
  const workspaceId = randomUUID();
  const scope = { workspaceId, projectId: 'p' };
  const titles = ['Jitter ends the stampede', ...Array.from({ length: 40 }, (_, number) => `Other ${number}`)];
  const drafts = titles.map((title) => ({ title }));
  await opened.session.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts });
  const { text } = await opened.session.run('context', { scope, query: 'jitter', budget: 500, format: 'json' });
  const [{ id }] = (JSON.parse(text) as { entries: [{ id: string }] }).entries;
  const found = await opened.session.run('show', { workspaceId, idOrPrefix: id });
  expect(found).toMatchObject({ title: 'Jitter ends the stampede' });
});

async function record(
  drafts: EntryDraft[],
  scope = { workspaceId: randomUUID() as string, projectId: 'p' },
): Promise<{ workspaceId: string; ids: string[] }> {
  const ids: string[] = [];
  for (const draft of drafts) {
    opened.clock.nowMs += 1_000;
    const request = { requestId: randomUUID(), scope, agent: 'tester', drafts: [draft] };
    for (const entry of await opened.session.run('record', request)) ids.push(entry.entryId);
  }
  return { workspaceId: scope.workspaceId, ids };
}

function ask(workspaceId: string, { projectId = 'p' }: { projectId?: string | null } = {}) {
  return opened.session.run('why', { scope: { workspaceId, projectId }, ...PLACE, limit: 100 });
}
