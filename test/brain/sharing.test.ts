/** Writes that wait together share a commit, and none of them suffers from another. */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { RecordRequest } from '../../lib/brain/contract.ts';
import type { SmError } from '../../lib/core/errors.ts';
import { emptyStore, openTestSession, type TestSession } from '../support/stores.ts';

const SCOPE = { workspaceId: 'w', projectId: 'p' };

let opened: TestSession;
beforeAll(async () => {
  opened = await openTestSession();
});
afterAll(() => opened.dispose());
beforeEach(() => emptyStore(opened));

test('[L11] a hundred records asked for at once cost a few syncs, not a hundred', async () => {
  const alone = await countSyncs(() => record('alone'));
  expect(alone).toBeGreaterThanOrEqual(1);
  const together = await countSyncs(() => Promise.all(titles(100).map((title) => record(title))));
  // The first goes alone; the others wait for it, and go 64 at a time.
  expect(together).toBeLessThanOrEqual(3 * alone + 3);
  expect(await countEntries()).toBe(101);
});

test('[L3][L11] a write that the database itself refuses is rolled back alone; those beside it are written', async () => {
  await withFailingTitle('poisonous', async () => {
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'poisonous', 'c', 'poisonous', 'd'].map((title) => record(title)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(reasonsOf(outcomes)).toEqual([
      { code: 'store_failed', message: expect.stringContaining('no such title') as string },
      { code: 'store_failed', message: expect.stringContaining('no such title') as string },
    ]);
  });
  expect(await countEntries()).toBe(4);
  expect(opened.session.poison).toBeUndefined();
  expect(await opened.session.run('verify', {})).toMatchObject({ isSound: true, changes: 4 });
});

test('[L3] a batch of which the database refuses one is not written at all, neither in the log nor in the entries', async () => {
  await withFailingTitle('poisonous', async () => {
    const drafts = [...titles(50), 'poisonous', ...titles(50)].map((title) => ({ title }));
    await expect(opened.session.run('record', { ...requestOf('x'), drafts })).rejects.toMatchObject({
      code: 'store_failed',
    });
  });
  expect(await countEntries()).toBe(0);
  expect((await opened.session.run('logPage', { afterSeq: 0, limit: 10 })).changes).toEqual([]);
});

test('[L11] a refusal among many is told to its own caller, and the others do not notice', async () => {
  const requests = titles(30).map((title, index) =>
    index % 3 === 1 ? { ...requestOf(title), supersedes: 'ffffffff' } : requestOf(title),
  );
  const outcomes = await Promise.allSettled(requests.map((request) => opened.session.run('record', request)));
  expect(reasonsOf(outcomes)).toHaveLength(10);
  for (const reason of reasonsOf(outcomes)) expect(reason.code).toBe('not_found');
  expect(await countEntries()).toBe(20);
});

test('[L11] two rebuilds and writes at once are all answered', async () => {
  const answers = await Promise.all([
    record('a'),
    opened.session.run('rebuild', {}),
    record('b'),
    opened.session.run('rebuild', {}),
    record('c'),
  ]);
  expect(answers).toHaveLength(5);
  expect(await opened.session.run('verify', {})).toMatchObject({ isSound: true, entries: 3 });
});

test('[L11] a request that could never share is refused before it waits: more than 8 MiB at once', async () => {
  const summary = 'x'.repeat(60_000);
  const drafts = titles(200).map((title) => ({ title, summary }));
  await expect(opened.session.run('record', { ...requestOf('x'), drafts })).rejects.toMatchObject({
    code: 'too_large',
    message: expect.stringMatching(/12 MiB at once; at most 8 MiB/) as string,
  });
  expect(await countEntries()).toBe(0);
});

test('[L11] writes of several megabytes that wait together are committed in parts, each whole', async () => {
  const summary = `x${' '.repeat(59_998)}x`; // Large, and quick to index.
  const requests = titles(4).map((title) => ({
    ...requestOf(title),
    drafts: titles(40).map((part) => ({ title: part, summary })),
  }));
  const outcomes = await Promise.all(requests.map((request) => opened.session.run('record', request)));
  expect(outcomes.map((entries) => entries.length)).toEqual([40, 40, 40, 40]);
  expect(await countEntries()).toBe(160);
});

test('[L4] a repeated record with ids of its own answers as the first did, also when it has been changed since', async () => {
  const entryId = randomUUID();
  const request = { ...requestOf('a'), drafts: [{ title: 'a', entryId }] };
  const first = await opened.session.run('record', request);
  const reference = { workspaceId: 'w', idOrPrefix: entryId };
  await opened.session.run('edit', { requestId: randomUUID(), reference, edit: { title: 'b' } });
  expect(await opened.session.run('record', request)).toEqual(first);
});

test('[L3] an entry recorded again by its id with another to supersede is refused, not half done', async () => {
  const [old] = await record('old');
  const draft = { title: 'new', entryId: randomUUID() };
  await opened.session.run('record', { ...requestOf('x'), drafts: [draft] });
  const again = { ...requestOf('x'), drafts: [draft], supersedes: old?.entryId ?? '' };
  await expect(opened.session.run('record', again)).rejects.toMatchObject({ code: 'exists' });
  expect(await opened.session.run('show', { workspaceId: 'w', idOrPrefix: old?.entryId ?? '' })).toEqual(old);
});

test('[C2] an entry with the last possible time can be read and not be changed, rather than be changed in vain', async () => {
  const [entry] = await record('a');
  const last = { ...entry, title: 'from the year 275760', updatedAt: 8.64e15 };
  const change = { changeId: randomUUID(), base: null, replicaId: randomUUID(), entry: last };
  await opened.session.run('import', { origin: 'import:test', changes: [change] });
  const reference = { workspaceId: 'w', idOrPrefix: entry?.entryId ?? '' };
  const edit = { requestId: randomUUID(), reference, edit: { title: 'b' } };
  await expect(opened.session.run('edit', edit)).rejects.toMatchObject({ code: 'conflict' });
  expect(await opened.session.run('show', reference)).toEqual(last);
});

test('[C3] status tells by how much the clock has gone back behind the newest stamp', async () => {
  await record('a');
  opened.clock.nowMs -= 5_000;
  expect((await opened.session.run('status', { scope: SCOPE })).clockRegressionMs).toBe(5_000);
  const [entry] = await record('b');
  expect(entry?.updatedAt).toBe(opened.clock.nowMs);
  opened.clock.nowMs += 4_000;
  expect((await opened.session.run('status', { scope: SCOPE })).clockRegressionMs).toBe(0);
});

function requestOf(title: string): RecordRequest {
  return { requestId: randomUUID(), scope: SCOPE, agent: 'tester', drafts: [{ title }] };
}

function record(title: string) {
  return opened.session.run('record', requestOf(title));
}

function titles(count: number): string[] {
  return Array.from({ length: count }, (_, number) => `title ${number}`);
}

async function countEntries(): Promise<number> {
  return (await opened.session.run('status', { scope: SCOPE })).entries;
}

async function countSyncs(act: () => Promise<unknown>): Promise<number> {
  const spy = vi.spyOn(fs, 'fsyncSync');
  await act();
  const { length } = spy.mock.calls;
  spy.mockRestore();
  return length;
}

/** While `act` runs, the database refuses this title in the middle of writing it. */
async function withFailingTitle(title: string, act: () => Promise<void>): Promise<void> {
  const { client } = opened.store;
  await client.exec(`
    CREATE FUNCTION refuse_title() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.content LIKE '%"title":"${title}"%' THEN RAISE EXCEPTION 'no such title'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_title AFTER INSERT ON brain_changes FOR EACH ROW EXECUTE FUNCTION refuse_title();`);
  await act();
  await client.exec(`DROP TRIGGER refuse_title ON brain_changes; DROP FUNCTION refuse_title();`);
}

function reasonsOf(outcomes: PromiseSettledResult<unknown>[]): { code: string; message: string }[] {
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [];
    const { code, message } = outcome.reason as SmError;
    return [{ code, message }];
  });
}
