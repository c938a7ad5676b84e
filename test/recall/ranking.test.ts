import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestSession, type TestSession } from '../support/stores.ts';

let opened: TestSession;
let projectId: string;

beforeAll(async () => {
  opened = await openTestSession();
});

beforeEach(() => {
  projectId = crypto.randomUUID();
});

afterAll(() => opened.dispose());

async function record(
  ...drafts: { title: string; summary?: string; conclusion?: string; tags?: string[] }[]
): Promise<void> {
  await opened.session.run('record', {
    requestId: crypto.randomUUID(),
    scope: { workspaceId: '', projectId },
    agent: 'test',
    drafts,
  });
}

async function recall(query: string): Promise<string[]> {
  const hits = await opened.session.run('recall', { scope: { workspaceId: '', projectId }, query, limit: 20 });
  expect(hits.every(({ score }) => score >= 0 && score <= 1)).toBe(true);
  expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).toSorted((a, b) => b - a));
  return hits.map(({ title }) => title);
}

test('[R1] words that no entry has hide nothing', async () => {
  await record({ title: 'Retries need jitter' }, { title: 'Money is integer cents' });
  expect(await recall('jitter')).toEqual(['Retries need jitter']);
  expect(await recall('why did the xylophone need jitter for retries')).toEqual(['Retries need jitter']);
  expect(await recall('xylophone')).toEqual([]);
});

test('[R1] endings do not matter: words are stemmed', async () => {
  await record({ title: 'Retrying connections' });
  expect(await recall('retry connection')).toEqual(['Retrying connections']);
});

test('[R2] of entries with the same words, a title outweighs a conclusion, and that a summary', async () => {
  await record(
    { title: 'In the summary', summary: 'about deadlocks' },
    { title: 'About deadlocks' },
    { title: 'In the conclusion', conclusion: 'about deadlocks' },
  );
  expect(await recall('deadlocks')).toEqual(['About deadlocks', 'In the conclusion', 'In the summary']);
});

test.each([
  [
    'CartRepository.findOpen() scans',
    ['CartRepository', 'cartrepository', 'findOpen', 'repository', 'CartRepository.findOpen'],
  ],
  ['The flag max_wal_size in postgresql.conf', ['max_wal_size', 'wal', 'postgresql.conf']],
  ['Look at src/db/pool-size.ts', ['src/db/pool-size.ts', 'pool-size', 'pool', 'size']],
  ['Fixed by STA-412', ['STA-412', 'sta-412']],
])('[R3] identifiers are found whole and by part: %s', async (title, queries) => {
  await record({ title }, { title: 'Unrelated words entirely' });
  for (const query of queries) expect(await recall(query), query).toEqual([title]);
});

test('[R13] where a word is unknown its beginning finds it, and so does a slip; scripts without spaces by parts', async () => {
  await record({ title: '数据库连接池的大小' }, { title: 'Kubernetes rollout' });
  expect(await recall('连接池')).toEqual(['数据库连接池的大小']);
  expect(await recall('kuber')).toEqual(['Kubernetes rollout']);
  expect(await recall('kubernets')).toEqual(['Kubernetes rollout']);
  expect(await recall('kuebrnetes rollout')).toEqual(['Kubernetes rollout']);
  expect(await recall('kubernets rolout')).toEqual(['Kubernetes rollout']);
  expect(await recall('xuber')).toEqual([]);
});
