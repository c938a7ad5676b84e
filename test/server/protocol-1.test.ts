/** Protocol 1 as its clients speak it: an old client by script, that keeps what such a client keeps. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../lib/core/entry.ts';
import type { HistoryAnswer, PullAnswer1, PullAnswer2, PushAnswer1 } from '../../lib/protocol/wire.ts';
import { CLOCK_START_MS, createTestServer, type TestServer } from '../support/server-app.ts';
import { entryOf, flatChange, hashOf } from '../support/server-changes.ts';
import type { TestKey } from '../support/server-keys.ts';

let server: TestServer;
beforeAll(async () => {
  server = await createTestServer();
});
afterAll(() => server.close());

/** What an old client does: it knows nothing of ancestry, and keeps one number per direction. */
class OldClient {
  readonly entries = new Map<string, Entry>();
  pushedTo = 0;
  pulledTo = 0;
  readonly #key: TestKey;
  readonly #projectId: string;

  constructor(key: TestKey, projectId = 'p') {
    this.#key = key;
    this.#projectId = projectId;
  }

  write(entry: Entry): void {
    this.entries.set(entry.entryId, entry);
  }

  async push(): Promise<PushAnswer1> {
    const entries = [...this.entries.values()].filter(({ updatedAt }) => updatedAt > this.pushedTo);
    const { status, body } = await server.post<PushAnswer1>('/v1/brain/push', this.#key.apiKey, {
      ...this.#envelope(),
      since: this.pushedTo,
      entries,
    });
    expect(status).toBe(200);
    this.pushedTo = Math.max(this.pushedTo, body.serverCursor, ...entries.map(({ updatedAt }) => updatedAt));
    return body;
  }

  async pull(limit = 200): Promise<PullAnswer1> {
    const { status, body } = await server.post<PullAnswer1>('/v1/brain/pull', this.#key.apiKey, {
      ...this.#envelope(),
      since: this.pulledTo,
      limit,
    });
    expect(status).toBe(200);
    for (const entry of body.entries) {
      const mine = this.entries.get(entry.entryId);
      if (mine === undefined || mine.updatedAt < entry.updatedAt) this.entries.set(entry.entryId, entry);
    }
    this.pulledTo = Math.max(this.pulledTo, body.serverCursor, ...body.entries.map(({ updatedAt }) => updatedAt));
    return body;
  }

  #envelope() {
    const { workspaceId } = this.#key;
    return { protocolVersion: 1, clientId: 'old', workspaceId, projectId: this.#projectId };
  }
}

const entry = (number: number, title: string, updatedAt: number, more: Partial<Entry> = {}): Entry => ({
  ...entryOf({ number, title, updatedAt, workspaceId: '' }),
  ...more,
});

test('[V3] two old clients converge, page by page, and get their own entries too', async () => {
  const key = await server.createKey();
  const [one, two] = [new OldClient(key), new OldClient(key)];
  for (let number = 0; number < 7; number += 1) one.write(entry(number, `one ${number}`, CLOCK_START_MS + number));
  expect(await one.push()).toEqual({ accepted: 7, serverCursor: CLOCK_START_MS + 6 });
  two.write(entry(3, 'two knows better', CLOCK_START_MS + 100));
  await two.push();
  for (const client of [one, two]) {
    let pages = 0;
    for (let hasMore = true; hasMore; pages += 1) ({ hasMore } = await client.pull(3));
    expect(pages).toBe(3);
  }
  expect([...one.entries.values()].map(({ title }) => title).sort()).toEqual(
    [...two.entries.values()].map(({ title }) => title).sort(),
  );
  expect(one.entries.get(entry(3, '', 0).entryId)?.title).toBe('two knows better');
  expect(one.entries.get(entry(3, '', 0).entryId)?.workspaceId).toBe(key.workspaceId);
});

test('[V3] the cursor of a push is the greatest time of that push, and 0 for none', async () => {
  const key = await server.createKey();
  const client = new OldClient(key);
  expect(await client.push()).toEqual({ accepted: 0, serverCursor: 0 });
  client.write(entry(1, 'late', CLOCK_START_MS - 5_000));
  expect((await client.push()).serverCursor).toBe(CLOCK_START_MS - 5_000);
});

test('[V3] a since in milliseconds gets everything; an empty answer never goes back behind a cursor', async () => {
  const key = await server.createKey();
  const client = new OldClient(key);
  client.write(entry(1, 'a', CLOCK_START_MS));
  await client.push();
  client.pulledTo = CLOCK_START_MS + 1_000_000;
  expect((await client.pull()).entries).toHaveLength(1);
  client.pulledTo = (CLOCK_START_MS + 60_000) * 1000;
  expect(await client.pull()).toEqual({ entries: [], serverCursor: (CLOCK_START_MS + 60_000) * 1000, hasMore: false });
});

test('[V3] an entry from the future is stored with the time of the server, and a retry is a duplicate', async () => {
  const key = await server.createKey();
  const client = new OldClient(key);
  const claimed = CLOCK_START_MS + 3_600_000;
  client.write(entry(1, 'future', claimed));
  expect(await client.push()).toEqual({ accepted: 1, serverCursor: claimed });
  server.clock.ms += 60_000;
  client.pushedTo = 0;
  await client.push();
  const { body } = await server.post<HistoryAnswer>('/v1/brain/history', key.apiKey, { protocolVersion: 2 });
  expect(body.changes).toMatchObject([{ title: 'future', updatedAt: CLOCK_START_MS, claimedAt: claimed }]);
  server.clock.ms = CLOCK_START_MS;
});

test('[V3] one entry that is none, or of another workspace, refuses the batch whole, by its place', async () => {
  const key = await server.createKey();
  const push = (entries: unknown[]) =>
    server.post('/v1/brain/push', key.apiKey, { protocolVersion: 1, clientId: 'old', entries });
  const good = entry(1, 'good', 5);
  expect(await push([good, good, good, { ...good, title: '' }])).toMatchObject({
    status: 400,
    body: { error: 'bad_request', details: { field: 'entries.3.title' } },
  });
  expect(await push([good, { ...good, workspaceId: 'elsewhere' }])).toMatchObject({
    status: 403,
    body: { error: 'forbidden', details: { field: 'entries.1.workspaceId' } },
  });
  expect(await server.store.lastCursor(key.workspaceId)).toBe(0);
});

test('[V3] [S4] a retracted entry goes out as superseded, and stays retracted when it comes back so', async () => {
  const key = await server.createKey();
  const retracted = flatChange({
    number: 1,
    title: 'gone',
    updatedAt: 5,
    workspaceId: key.workspaceId,
    status: 'retracted',
  });
  await server.post('/v1/brain/push', key.apiKey, { protocolVersion: 2, clientId: 'new', changes: [retracted] });
  const client = new OldClient(key);
  expect((await client.pull()).entries).toMatchObject([{ title: 'gone', status: 'superseded' }]);
  expect(await client.push()).toMatchObject({ accepted: 1 });
  const { body } = await server.post<PullAnswer2>('/v1/brain/pull', key.apiKey, {
    protocolVersion: 2,
    clientId: 'new',
    since: 0,
  });
  expect(body.changes).toMatchObject([{ title: 'gone', status: 'retracted' }]);
});

test('[V3] a pull gives one project, the workspace’s own where none is named', async () => {
  const key = await server.createKey();
  const client = new OldClient(key, 'q');
  client.write(entry(1, 'elsewhere', 5, { projectId: 'q' }));
  client.write(entry(2, 'own', 5, { projectId: key.projectId }));
  await client.push();
  expect((await client.pull()).entries.map(({ title }) => title)).toEqual(['elsewhere']);
  const { body } = await server.post<PullAnswer1>('/v1/brain/pull', key.apiKey, {
    protocolVersion: 1,
    clientId: 'old',
  });
  expect(body.entries.map(({ title }) => title)).toEqual(['own']);
});

test('[V3] its winners are filed as written on what they replaced, its losers are no conflict', async () => {
  const key = await server.createKey();
  const client = new OldClient(key);
  client.write(entry(1, 'first', 10));
  await client.push();
  client.write(entry(1, 'second', 20));
  await client.push();
  const late = new OldClient(key);
  late.write(entry(1, 'late', 15));
  await late.push();
  const { body } = await server.post<PullAnswer2>('/v1/brain/pull', key.apiKey, {
    protocolVersion: 2,
    clientId: 'new',
    since: 0,
  });
  const first = hashOf({ number: 1, title: 'first', updatedAt: 10, workspaceId: key.workspaceId });
  expect(body.changes).toMatchObject([{ title: 'second', base: first }]);
  const history = await server.post<HistoryAnswer>('/v1/brain/history', key.apiKey, { protocolVersion: 2 });
  expect(history.body.changes.map(({ title, base }) => [title, base])).toEqual([
    ['first', null],
    ['second', first],
    ['late', null],
  ]);
});

test('[V3] other versions of the protocol are told which are spoken', async () => {
  for (const path of ['push', 'pull']) {
    expect(await server.post(`/v1/brain/${path}`, server.key.apiKey, { protocolVersion: 3 })).toMatchObject({
      status: 422,
      body: { error: 'unsupported_protocol', details: { supported: [1, 2] } },
    });
  }
});
