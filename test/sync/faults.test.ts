/**
 * Fault by fault: a real brain, the real sync, a real server behind real sockets that misbehave. Each leaves the brain
 * usable and is reported, and the next sync is whole.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BrainSession } from '../../lib/brain/session.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import type { SyncOptions } from '../../lib/sync/options.ts';
import { readKey } from '../../lib/sync/setup.ts';
import { syncOnce } from '../../lib/sync/sync-once.ts';
import { v7 as uuidv7 } from 'uuid';
import { openMemorySession } from '../support/memory-store.ts';
import { createTestKey } from '../support/server-keys.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';

const MINUTE_MS = 60_000;

let serverStore: ChangeStore;
let server: StubServer;
let stores: OpenStore[];
let a: Device;
let b: Device;

/** A brain with a clock that can be off. */
interface Device {
  session: BrainSession;
  store: OpenStore;
  skewMs: number;
}

beforeAll(async () => {
  serverStore = await openEmbeddedServerStore({ memory: true });
  server = await startStub(serverStore);
  stores = [await openMemoryStore(), await openMemoryStore()];
});
afterAll(async () => {
  await server.close();
  await serverStore.close();
  for (const store of stores) await store.close();
});
beforeEach(async () => {
  server.setFaults('');
  server.key = await createTestKey(serverStore, 'test');
  [a, b] = (await Promise.all(stores.map((store) => startDevice(store)))) as [Device, Device];
});

async function startDevice(store: OpenStore): Promise<Device> {
  await store.client.exec(`DELETE FROM brain_meta WHERE key IN ('clock_offset_ms', 'clock_high_ms')`);
  const device = { store, skewMs: 0 } as Device;
  device.session = await openMemorySession(store, {
    nowMs: () => Date.now() + device.skewMs,
    createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
    createReplicaId: randomUUID,
  });
  return device;
}

function sync(device: Device, options: Partial<SyncOptions> = {}) {
  return syncOnce({
    brain: device.session,
    endpoint: server.url,
    apiKey: server.key.apiKey,
    workspaceId: server.key.workspaceId,
    projectId: 'p',
    mode: 'both',
    deadlineMs: 2_000,
    wait: () => Promise.resolve(),
    nowMs: () => Date.now() + device.skewMs,
    ...options,
  });
}

async function record(device: Device, ...titles: string[]): Promise<Entry[]> {
  const scope = { workspaceId: server.key.workspaceId, projectId: 'p' };
  const drafts = titles.map((title) => ({ title }));
  return device.session.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts });
}

function edit(device: Device, entryId: string, title: string): Promise<Entry> {
  const reference = { workspaceId: server.key.workspaceId, idOrPrefix: entryId };
  return device.session.run('edit', { requestId: randomUUID(), reference, edit: { title } });
}

async function titlesOf(device: Device): Promise<string[]> {
  const scope = { workspaceId: server.key.workspaceId, projectId: null };
  const entries = await device.session.run('list', { scope, includeInactive: true, limit: 10_000 });
  return entries.map(({ title }) => title).toSorted();
}

const peer = () => ({ endpoint: server.url, workspaceId: server.key.workspaceId });

/** Changes in the server's log of this workspace. */
async function serverChanges(): Promise<number> {
  const history = { workspaceId: server.key.workspaceId, entryIds: null, since: 0, until: Number.MAX_SAFE_INTEGER };
  return (await serverStore.history({ ...history, limit: 10_000, bytesMax: 1e9 })).items.length;
}

test('[S18] who logs in where nothing answers, or speaks TLS, is told to check the address', async () => {
  const apiKey = server.key.apiKey;
  const unserved = readKey({ endpoint: 'http://127.0.0.1:9', apiKey });
  await expect(unserved).rejects.toMatchObject({ code: 'unavailable', hint: /Check the address.*sm serve/ });
  const plain = readKey({ endpoint: server.url.replace('http:', 'https:'), apiKey });
  await expect(plain).rejects.toMatchObject({ code: 'unavailable', hint: /plain http/ });
});

test.each([
  ['status:500', 'unavailable', /answered 500/],
  ['status:429,retry=1', 'rate_limited', /answered 429/],
  ['status:401', 'unauthorized', /answered 401/],
  ['status:403', 'forbidden', /answered 403/],
  ['cut:head', 'unavailable', /connection .* failed/],
  ['cut:body', 'unavailable', /connection .* failed/],
  ['html', 'unavailable', /not a sync server/],
  ['garbage', 'unavailable', /not a sync server/],
  ['huge', 'unavailable', /more than|not answered|not get through/],
  ['redirect:http://127.0.0.1:9/', 'unavailable', /answered 302/],
  ['hang', 'unavailable', /not answered within/],
  ['drip:50', 'unavailable', /not get through within/],
])('[S15] %s is reported, local use goes on, and the next sync is whole', async (fault, code, message) => {
  await record(a, 'before');
  server.setFaults(fault);
  const report = await sync(a, { deadlineMs: 600, retriesMax: 1 });
  expect(report).toMatchObject({ success: false, pending: 1, reason: { code } });
  expect(report.reason?.message).toMatch(message);
  await record(a, 'meanwhile');
  expect(await titlesOf(a)).toEqual(['before', 'meanwhile']);
  server.setFaults('');
  expect(await sync(a)).toMatchObject({ success: true, pending: 0 });
  await sync(b);
  expect(await titlesOf(b)).toEqual(['before', 'meanwhile']);
  expect(await serverChanges()).toBe(2);
});

test('[S15] what failed in the server is reported with the id by which its log knows it', async () => {
  await record(a, 'before');
  const failing: typeof fetch = () =>
    Promise.resolve(
      Response.json(
        { error: 'unavailable', message: 'No room.', hint: 'Try again later.' },
        { status: 503, headers: { 'X-Request-Id': 'r-7' } },
      ),
    );
  const { reason } = await sync(a, { retriesMax: 0, fetch: failing });
  expect(reason).toEqual({ code: 'unavailable', message: 'No room.', hint: 'Try again later. Request id: r-7.' });
});

test.each([
  ['self-signed', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate of', 'NODE_EXTRA_CA_CERTS'],
  ['expired', 'CERT_HAS_EXPIRED', 'certificate of', 'NODE_EXTRA_CA_CERTS'],
  ['without TLS', 'ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS', 'http://'],
])('[S15] a server that is %s is said with what to do', async (_what, code, message, hint) => {
  await record(a, 'alone');
  const failing: typeof fetch = () =>
    Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('handshake'), { code }) }));
  const { reason, pending } = await sync(a, { retriesMax: 0, fetch: failing });
  expect(pending).toBe(1);
  expect(reason?.message).toContain(message);
  expect(reason?.hint).toContain(hint);
});

test.each([
  [302, 'another address'],
  [511, 'login first'],
])('[S15] an answer of %i is told with what to do', async (status, hint) => {
  const leading: typeof fetch = () => Promise.resolve(new Response('<html>', { status }));
  const { reason } = await sync(a, { retriesMax: 0, fetch: leading });
  expect(reason).toMatchObject({ code: 'unavailable', message: `The server answered ${status}.` });
  expect(reason?.hint).toContain(hint);
});

test('[S15] a server that nobody answers at is reported, also again and again', async () => {
  await record(a, 'alone');
  for (let round = 0; round < 3; round += 1) {
    const report = await sync(a, { endpoint: 'http://127.0.0.1:9' });
    expect(report).toMatchObject({ success: false, pending: 1, reason: { code: 'unavailable' } });
  }
  const state = await a.session.run('syncState', { ...peer(), endpoint: 'http://127.0.0.1:9' });
  expect(state).toMatchObject({ pending: 1, lastError: { code: 'unavailable' } });
});

test('[S7] an answer lost after the commit, followed by a retry, changes nothing', async () => {
  await record(a, 'one', 'two');
  server.setFaults('lost,path=/v1/brain/push,times=2');
  expect(await sync(a, { retriesMax: 2 })).toMatchObject({ success: true, pending: 0, pushed: { duplicate: 2 } });
  expect(await serverChanges()).toBe(2);
  await sync(a);
  await sync(b);
  expect(await serverChanges()).toBe(2);
  expect(await titlesOf(b)).toEqual(['one', 'two']);
});

test('[S8] a clock ten minutes ahead is found, explained and healed by itself, and holds up nothing', async () => {
  await record(a, 'in time');
  a.skewMs = 10 * MINUTE_MS;
  const [ahead] = await record(a, 'ahead');
  const edited = await edit(a, ahead?.entryId ?? '', 'ahead, edited');
  const report = await sync(a);
  expect(report).toMatchObject({ success: true, pending: 0, restamped: 2, pushed: { refused: 2 } });
  expect(Math.abs((report.clockOffsetMs ?? 0) + 10 * MINUTE_MS)).toBeLessThan(5_000);
  await sync(b);
  expect(await titlesOf(b)).toEqual(['ahead, edited', 'in time']);
  expect(await a.session.run('syncStanding', peer())).toMatchObject({ refusedCount: 0, conflicts: 0 });
  const history = await a.session.run('history', { workspaceId: peer().workspaceId, idOrPrefix: edited.entryId });
  expect(history.filter(({ reason }) => reason.startsWith('withdrawn'))).toHaveLength(2);
  expect(history.find(({ isCurrent }) => isCurrent)?.entry.title).toBe('ahead, edited');
  // From now on stamps are taken by the server's time.
  const [later] = await record(a, 'later');
  expect(Math.abs((later?.updatedAt ?? 0) - Date.now())).toBeLessThan(5_000);
  expect(await a.session.run('verify', {})).toMatchObject({ isSound: true });
});

test('[S8] until it is healed a refused entry is counted and explained', async () => {
  a.skewMs = 10 * MINUTE_MS;
  await record(a, 'ahead');
  // The process ends before it can heal.
  const run = a.session.run.bind(a.session);
  const brain = {
    ...a.session,
    run: ((operation, request) =>
      operation === 'syncRestamp'
        ? Promise.reject(new Error('killed'))
        : run(operation, request)) as BrainSession['run'],
    close: () => Promise.resolve(),
  };
  await expect(sync(a, { brain })).rejects.toThrow('killed');
  expect(await a.session.run('syncState', peer())).toMatchObject({ pending: 1 });
  const { refusals } = await a.session.run('syncStanding', peer());
  expect(refusals).toMatchObject([{ code: 'clock_ahead', direction: 'push' }]);
  expect(refusals[0]?.message).toMatch(/ahead of the server/);
  expect(await sync(a)).toMatchObject({ success: true, pending: 0, restamped: 1 });
});

test('[S9] one poisonous entry among a hundred is set aside with its reason; ninety-nine arrive', async () => {
  const titles = Array.from({ length: 100 }, (_, number) => (number === 42 ? 'POISON' : `entry ${number}`));
  await record(a, ...titles);
  server.setFaults('status:413,match=POISON');
  // A packed body hides what it holds: the fault must see it.
  const plainFetch: typeof fetch = (input, init) => fetch(input, init);
  const report = await sync(a, { fetch: unpackingFetch(plainFetch) });
  expect(report).toMatchObject({ success: true, pushed: { refused: 1, applied: 99 } });
  const { refusals } = await a.session.run('syncStanding', peer());
  expect(refusals).toMatchObject([{ code: 'too_large', direction: 'push' }]);
  await sync(b);
  expect(await titlesOf(b)).toHaveLength(99);
  expect(await titlesOf(a)).toHaveLength(100);
});

/** Sends bodies as they are, so that the stub can look for a text in them. */
function unpackingFetch(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (headers.get('content-encoding') !== 'br') return send(input, init);
    const { brotliDecompressSync } = await import('node:zlib');
    headers.delete('content-encoding');
    return send(input, { ...init, headers, body: brotliDecompressSync(init?.body as Uint8Array).toString('utf8') });
  };
}

test('[S6] a sync that is killed at any step is made whole by the next one, and nothing is done twice', async () => {
  await record(b, 'from b 1', 'from b 2');
  await sync(b);
  await record(a, 'from a');
  let killed = 0;
  for (let killAt = 0; ; killAt += 1) {
    let steps = 0;
    const step = async <T>(work: () => Promise<T>): Promise<T> => {
      if (steps++ === killAt) throw new Error('killed');
      return work();
    };
    const run = a.session.run.bind(a.session);
    const brain = {
      run: ((operation, request) => step(() => run(operation, request))) as BrainSession['run'],
      close: () => Promise.resolve(),
    };
    try {
      // A call that is killed is a network that failed: the sync ends, and says so.
      const report = await sync(a, { brain, retriesMax: 0, fetch: (input, init) => step(() => fetch(input, init)) });
      if (report.success) break;
    } catch (error) {
      expect(error).toMatchObject({ message: 'killed' });
    }
    killed += 1;
  }
  expect(killed).toBeGreaterThan(5);
  expect(await titlesOf(a)).toEqual(['from a', 'from b 1', 'from b 2']);
  expect(await serverChanges()).toBe(3);
  const { changes } = await a.session.run('logPage', { afterSeq: 0, limit: 1_000 });
  const own = changes.filter(({ entry }) => entry.workspaceId === server.key.workspaceId);
  expect(own).toHaveLength(3);
});

test('[S13] a damaged replica is found and mended, with traffic that grows with the difference', async () => {
  const titles = Array.from({ length: 1_000 }, (_, number) => `${number} ${randomUUID()} ${randomUUID()}`);
  const entries = await record(a, ...titles);
  await sync(a);
  const whole = new Meter();
  await sync(b, { fetch: whole.fetch });
  // Rows vanish from the log and the entries, another is changed behind the brain's back.
  const [gone, alsoGone, changed] = entries.slice(400).map(({ entryId }) => entryId);
  await b.store.client.exec(`
    ALTER TABLE brain_changes DISABLE TRIGGER USER;
    DELETE FROM brain_changes WHERE entry_id IN ('${gone}', '${alsoGone}');
    DELETE FROM brain_entries WHERE entry_id IN ('${gone}', '${alsoGone}');
    ALTER TABLE brain_changes ENABLE TRIGGER USER;
    UPDATE brain_entries SET title = 'damaged', updated_at = 5 WHERE entry_id = '${changed}';`);
  expect(await titlesOf(b)).not.toEqual(titles.toSorted());
  const mending = new Meter();
  const report = await sync(b, { verify: true, fetch: mending.fetch });
  expect(report.verification).toMatchObject({ isEqual: true, differences: 3 });
  expect(await titlesOf(b)).toEqual(titles.toSorted());
  expect(mending.bytes).toBeLessThan(whole.bytes / 4);
  expect((await sync(b, { verify: true })).verification).toMatchObject({ isEqual: true, differences: 0 });
});

/** Counts what crosses the wire, packed as it is. */
class Meter {
  bytes = 0;
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const sent = init?.body instanceof Uint8Array ? init.body.length : 0;
    this.bytes += sent + Number(response.headers.get('content-length') ?? 0);
    return response;
  };
}

test('[S12] a server that was replaced by an empty one gets everything back, and it is said', async () => {
  await record(a, 'one', 'two');
  await sync(a);
  await sync(b);
  const { workspaceId, apiKey, prefix, projectId } = server.key;
  const { hashSecret } = await import('../../lib/server/keys.ts');
  const empty = await openEmbeddedServerStore({ memory: true });
  await empty.createKey(
    { hash: hashSecret(apiKey), prefix, workspaceId, name: 'test', nowMs: Date.now() },
    { workspaceId, projectId, name: 'test' },
  );
  const other = await startStub(empty);
  // The same address leads to the new one.
  const rerouted: typeof fetch = (input, init) => fetch(new Request(input).url.replace(server.url, other.url), init);
  await edit(b, (await record(b, 'three'))[0]?.entryId ?? '', 'three, edited');
  const first = await sync(b, { fetch: rerouted });
  expect(first).toMatchObject({ success: true, pending: 0 });
  expect(first.notices.join(' ')).toMatch(/restored or replaced|lost changes/);
  expect(await sync(a, { fetch: rerouted })).toMatchObject({ success: true, pending: 0 });
  expect(await titlesOf(a)).toEqual(['one', 'three, edited', 'two']);
  expect(await sync(b, { fetch: rerouted, verify: true })).toMatchObject({
    success: true,
    verification: { isEqual: true },
  });
  const answer = await empty.digest({
    workspaceId,
    projectId: null,
    ranges: [{ from: '', to: null }],
    parts: 1,
    stampsMax: 0,
  });
  expect(answer.parts[0]?.count).toBe(3);
  await other.close();
  await empty.close();
});

test('[S26] [S13] a verification, too, sends in smaller parts what does not get through in time', async () => {
  const scope = { workspaceId: server.key.workspaceId, projectId: 'p' };
  // Some 2 KB each that nothing makes smaller.
  const drafts = Array.from({ length: 40 }, (_, index) => ({
    title: `bulky ${index}`,
    conclusion: Array.from(randomBytes(750), (byte) => `w${byte}`).join(' '),
  }));
  await a.session.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts });
  let late = 0;
  const narrow: typeof fetch = (input, init) => {
    const bytes = init?.body instanceof Uint8Array ? init.body.length : 0;
    if (bytes < 16 * 1024) return fetch(input, init);
    late += 1;
    return new Promise((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
  };
  const report = await sync(a, { mode: 'pull', verify: true, fetch: narrow, retriesMax: 0 });
  expect(report).toMatchObject({ success: true, verification: { isEqual: true, differences: 40 } });
  expect(late).toBeGreaterThan(0);
  expect(await serverChanges()).toBe(40);
});
