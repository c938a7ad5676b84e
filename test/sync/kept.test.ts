/**
 * What never leaves a brain: private text and secrets, by real syncs with a real server, whose every request is read. What stays
 * here holds up nothing, and others are told a history without gaps.
 */
import { randomUUID } from 'node:crypto';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { Entry, EntryEdit } from '../../lib/core/entry.ts';
import type { SyncOptions } from '../../lib/sync/options.ts';
import type { SyncDevice } from '../support/sync-device.ts';
import { useSyncPair } from '../support/sync-pair.ts';
import { TRUE_EXAMPLES } from '../secrets/samples.ts';

const SECRET = TRUE_EXAMPLES[0]?.secret ?? '';

const pair = useSyncPair();
/** Everything that was sent. */
let sent: string;
beforeEach(() => {
  sent = '';
});

/** The real fetch, with an ear at the wire. */
const listening: typeof fetch = (input, init) => {
  const body = init?.body;
  const coding = new Headers(init?.headers).get('content-encoding');
  if (typeof body === 'string') sent += body;
  else if (body instanceof Uint8Array) sent += decoded(body, coding);
  else if (body !== null && body !== undefined) throw new Error('A body of an unknown kind: this test would be deaf.');
  return fetch(input, init);
};

function decoded(bytes: Uint8Array, coding: string | null): string {
  if (coding === null) return Buffer.from(bytes).toString();
  if (coding === 'br') return zlib.brotliDecompressSync(bytes).toString();
  if (coding === 'gzip') return zlib.gunzipSync(bytes).toString();
  throw new Error(`A body in ${coding}: this test would be deaf.`);
}

const sync = (device: SyncDevice, options: Partial<SyncOptions> = {}) =>
  device.sync(pair.server, { fetch: listening, ...options });
const edit = (device: SyncDevice, entryId: string, fields: EntryEdit, allowsSecrets = false) =>
  device.session.run('edit', {
    requestId: randomUUID(),
    reference: { workspaceId: pair.server.key.workspaceId, idOrPrefix: entryId },
    edit: fields,
    allowsSecrets,
  });
const standing = (device: SyncDevice) =>
  device.session.run('syncStanding', { endpoint: pair.server.url, workspaceId: pair.server.key.workspaceId });
const only = async (entries: Promise<Entry[]>): Promise<Entry> => {
  const [entry] = await entries;
  if (entry === undefined) throw new Error('Nothing was recorded.');
  return entry;
};

test('[E8] an entry with private text is not sent, the others are, and the reason is told', async () => {
  const { server, a, b } = pair;
  await a.record(server, { title: 'one' }, { title: 'kept', conclusion: 'Told by <Private>Ms Zyx' }, { title: 'two' });
  const report = await sync(a);
  expect(report).toMatchObject({ success: true, pushed: { sent: 2, applied: 2, refused: 0, kept: 1 }, pending: 0 });
  expect(sent).toContain('one');
  expect(sent).not.toContain('Zyx');
  expect(sent).not.toContain('kept');
  expect(await standing(a)).toMatchObject({ refusedCount: 1, refusals: [{ direction: 'push', code: 'private' }] });
  expect(await sync(b)).toMatchObject({ pulled: { applied: 2 } });
  expect(await b.titles(server)).toEqual(['one', 'two']);
  // Looked at once; it is not tried again and again.
  expect(await sync(a)).toMatchObject({ success: true, pushed: { sent: 0, kept: 0 } });
});

test('[E7] a secret that its writer wanted to keep is not sent, whatever speaks to the server', async () => {
  const { server, a } = pair;
  const scope = { workspaceId: server.key.workspaceId, projectId: 'p' };
  const drafts = [{ title: 'with', summary: SECRET }, { title: 'without' }];
  await a.session.run('record', { requestId: randomUUID(), scope, agent: 'a', drafts, allowsSecrets: true });
  expect(await sync(a, { verify: true })).toMatchObject({ pushed: { sent: 1, kept: 1 } });
  expect(await sync(a, { mode: 'push' })).toMatchObject({ success: true });
  expect(sent).not.toContain(SECRET);
  expect((await standing(a)).refusals).toMatchObject([{ code: 'secret' }]);
});

test('[S22] only private ones, page after page, are passed over', async () => {
  const { server, a } = pair;
  const drafts = Array.from({ length: 1_100 }, (_, n) => ({ title: `<private>${n}` }));
  for (let start = 0; start < drafts.length; start += 550) await a.record(server, ...drafts.slice(start, start + 550));
  await a.record(server, { title: 'last' });
  expect(await sync(a)).toMatchObject({ success: true, pushed: { sent: 1, kept: 1_100 }, pending: 0 });
  expect(sent).not.toContain('<private>');
});

test('[S22] what stays here is no difference to a verification, and older versions of it are not lost', async () => {
  const { server, serverStore, a, b } = pair;
  const entry = await only(a.record(server, { title: 'first' }));
  await sync(a);
  await edit(a, entry.entryId, { conclusion: '<private>x</private>' });
  expect(await sync(a, { verify: true })).toMatchObject({
    success: true,
    pushed: { kept: 1 },
    verification: { isEqual: true, differences: 0 },
  });
  // The server is replaced by an empty one: what it may have, it gets.
  await serverStore.renewEpoch(randomUUID());
  expect(await sync(a, { verify: true })).toMatchObject({ success: true, verification: { isEqual: true } });
  await sync(b);
  expect(await b.titles(server)).toEqual(['first']);
  expect(sent).not.toContain('<private>');
});

test('[S22] a version written on one that stays here is no conflict to others', async () => {
  const { server, a, b } = pair;
  const entry = await only(a.record(server, { title: 'first' }));
  await sync(a);
  await edit(a, entry.entryId, { title: 'second <private>x</private>' });
  await edit(a, entry.entryId, { summary: SECRET }, true);
  await edit(a, entry.entryId, { title: 'third', summary: '' });
  await sync(a);
  await edit(a, entry.entryId, { title: 'fourth <private>y</private>' });
  await sync(a);
  await edit(a, entry.entryId, { title: 'fifth' });
  await sync(a);
  await sync(b);
  expect(await b.titles(server)).toEqual(['fifth']);
  const scope = { workspaceId: server.key.workspaceId, projectId: null };
  for (const device of [a, b]) expect(await device.session.run('conflicts', { scope, limit: 10 })).toEqual([]);
  expect(sent).not.toMatch(/<private>/);
  expect(sent).not.toContain(SECRET);
});

test('[S22] whatever is written, by whichever protocol and through whichever faults, nothing private is sent', async () => {
  const { server, a } = pair;
  const text = fc.constantFrom('plain', 'a <private>ZYX</private> b', 'ZYX <private>', '<PRIVATE>ZYX', `key ${SECRET}`);
  const step = fc.record({ field: fc.constantFrom('title', 'summary', 'conclusion', 'tags', 'refs'), text });
  let rounds = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.boolean(), async (steps, isFaulty) => {
      sent = '';
      server.setFaults(isFaulty ? 'lost,chance=0.3;status:503,chance=0.2' : '');
      const entry = await only(a.record(server, { title: `round ${rounds++}` }));
      for (const { field, text: value } of steps) {
        const isList = field === 'tags' || field === 'refs';
        await edit(a, entry.entryId, { [field]: isList ? [value] : value }, true);
        await sync(a, { verify: true });
      }
      server.setFaults('');
      expect(await sync(a, { verify: true })).toMatchObject({ success: true, verification: { isEqual: true } });
      expect(sent).not.toMatch(/private>|ZYX/i);
      expect(sent).not.toContain(SECRET);
    }),
    { numRuns: 15 },
  );
});
