/** The stream of one instance: pokes, the catching up of a reader that was away, bounds, and ends. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { createTestServer, type TestServer, withParts } from '../support/server-app.ts';
import { flatChange } from '../support/server-changes.ts';

let store: ChangeStore;
beforeAll(async () => {
  store = await openEmbeddedServerStore({ memory: true });
});
afterAll(() => store.close());

interface Reading {
  /** The next event, or undefined at the end of the stream. */
  next(): Promise<EventSourceMessage | undefined>;
  comments: string[];
  cancel(): Promise<void>;
}

async function open(server: TestServer, headers: Record<string, string> = {}): Promise<Reading> {
  const response = await server.app.request('/v1/brain/stream', {
    headers: { Authorization: `Bearer ${server.key.apiKey}`, ...headers },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const events: EventSourceMessage[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: (event) => void events.push(event),
    onComment: (comment) => void comments.push(comment),
  });
  return {
    comments,
    next: async () => {
      while (events.length === 0) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        parser.feed(new TextDecoder().decode(value));
      }
      return events.shift();
    },
    cancel: () => reader.cancel(),
  };
}

async function push(server: TestServer, number: number): Promise<number> {
  const changes = [flatChange({ number, title: 'poke', updatedAt: 5, workspaceId: '' })];
  const { body } = await server.post<{ serverCursor: number }>('/v1/brain/push', server.key.apiKey, {
    protocolVersion: 2,
    clientId: 'r',
    changes,
  });
  return body.serverCursor;
}

test('[V10] tells of a moved cursor at once, of this workspace alone', async () => {
  const server = await createTestServer({}, store);
  const other = await createTestServer({}, store);
  const reading = await open(server);
  await push(other, 1);
  const cursor = await push(server, 1);
  expect(await reading.next()).toMatchObject({
    event: 'cursor',
    id: String(cursor),
    data: JSON.stringify({ serverCursor: cursor }),
  });
  await reading.cancel();
});

test('[V10] whoever was away is told at once, and who was not is not', async () => {
  const server = await createTestServer({}, store);
  const first = await push(server, 1);
  const second = await push(server, 2);
  const behind = await open(server, { 'Last-Event-ID': String(first) });
  expect(await behind.next()).toMatchObject({ id: String(second) });
  const level = await open(server, { 'Last-Event-ID': String(second) });
  const third = await push(server, 3);
  expect(await level.next()).toMatchObject({ id: String(third) });
  await Promise.all([behind.cancel(), level.cancel()]);
});

test('[V10] a reader that does not read costs nothing, and gets the newest cursor', async () => {
  const server = await createTestServer({}, store);
  const reading = await open(server);
  let newest = 0;
  for (let number = 1; number <= 40; number += 1) newest = await push(server, number);
  const told: number[] = [];
  while (told.at(-1) !== newest) told.push(Number((await reading.next())?.id));
  expect(told.length).toBeLessThan(10);
  await reading.cancel();
});

test('[V10] [V6] ends with the revocation of its key, and with the server', async () => {
  const server = await createTestServer({}, store);
  const revoked = await open(server);
  await store.revokeKey(server.key.prefix, server.clock.ms);
  expect(await revoked.next()).toBeUndefined();
  const another = await createTestServer({}, store);
  const shut = await open(another);
  another.app.end();
  expect(await shut.next()).toBeUndefined();
  const late = await another.app.request('/v1/brain/stream', {
    headers: { Authorization: `Bearer ${another.key.apiKey}` },
  });
  expect(late.status).toBe(503);
});

test('[V10] who asks for the head alone takes no place of a reader', async () => {
  const server = await createTestServer({ limits: { streamsPerKey: 1 } }, store);
  for (let round = 0; round < 3; round += 1) {
    const head = await server.app.request('/v1/brain/stream', {
      method: 'HEAD',
      headers: { Authorization: `Bearer ${server.key.apiKey}` },
    });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  }
  await (await open(server)).cancel();
});

test('[V10] where something may have been missed, every stream is brought up to date', async () => {
  const listeners = new Set<(event: { kind: 'all' }) => void>();
  // A store whose news are lost, as when the connection that listens breaks.
  const deaf = withParts(store, {
    watch: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  const server = await createTestServer({}, deaf);
  const [reading, revoked] = [await open(server), await open(server)];
  const cursor = await push(server, 1);
  for (const listener of listeners) listener({ kind: 'all' });
  expect(await reading.next()).toMatchObject({ id: String(cursor) });
  expect(await revoked.next()).toMatchObject({ id: String(cursor) });
  await store.revokeKey(server.key.prefix, server.clock.ms);
  for (const listener of listeners) listener({ kind: 'all' });
  expect(await revoked.next()).toBeUndefined();
});

test('[V9] a key has so many streams and no more, and a place is free again when one ends', async () => {
  const server = await createTestServer({ limits: { streamsPerKey: 2 } }, store);
  const [first, second] = [await open(server), await open(server)];
  const refused = await server.app.request('/v1/brain/stream', {
    headers: { Authorization: `Bearer ${server.key.apiKey}` },
  });
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('60');
  await first.cancel();
  const third = await open(server);
  await Promise.all([second.cancel(), third.cancel()]);
});

test('[V10] comments are its heart-beats', async () => {
  const server = await createTestServer({ heartbeatMs: 5 }, store);
  const response = await server.app.request('/v1/brain/stream', {
    headers: { Authorization: `Bearer ${server.key.apiKey}` },
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  while (!text.includes(':\n\n:\n\n')) text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  expect(text).toMatch(/^: welcome\n\n(?::\n\n)+$/);
});
