/** Resolving a conflict that somebody has looked at, while another version comes in. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Entry } from '../../lib/core/entry.ts';
import { openTestSession } from '../support/stores.ts';

const scope = { workspaceId: '', projectId: 'p' };

test('[S14] with --seen a version that came since is not settled unread, and nothing is written', async () => {
  const { session, clock, dispose } = await openTestSession();
  const [entry] = await session.run('record', {
    ...{ requestId: randomUUID(), scope, agent: 'tester' },
    drafts: [{ title: 'mine' }],
  });
  if (entry === undefined) throw new Error('nothing was recorded');
  const reference = { workspaceId: '', idOrPrefix: entry.entryId };
  const [{ hash: base } = { hash: '' }] = await session.run('history', reference);
  clock.nowMs += 10;
  await session.run('edit', { requestId: randomUUID(), reference, edit: { title: 'mine, edited' } });
  // Written elsewhere, on top of the first version, before that edit.
  const comes = (title: string, laterMs: number) => {
    const other: Entry = { ...entry, title, updatedAt: entry.updatedAt + laterMs };
    const change = { changeId: randomUUID(), base, replicaId: randomUUID(), entry: other };
    return session.run('import', { origin: 'import:x', changes: [change] });
  };
  const conflict = async () => (await session.run('conflicts', { scope, limit: 10 }))[0];
  const resolve = (seen: string[]) => session.run('resolve', { requestId: randomUUID(), reference, seen });

  await comes('theirs', 5);
  const seen = (await conflict())?.losers.map(({ hash }) => hash) ?? [];
  expect(seen).toHaveLength(1);
  await comes('a third one', 3);
  const before = await session.run('history', reference);
  await expect(resolve(seen)).rejects.toMatchObject({ code: 'conflict', details: { unseen: [expect.any(String)] } });
  await expect(resolve([])).rejects.toMatchObject({ code: 'conflict' });
  expect(await session.run('history', reference)).toEqual(before);
  const all = (await conflict())?.losers.map(({ hash }) => hash.slice(0, 12).toUpperCase()) ?? [];
  expect(await resolve(all)).toMatchObject({ title: 'mine, edited' });
  expect(await conflict()).toBeUndefined();
  await dispose();
});
