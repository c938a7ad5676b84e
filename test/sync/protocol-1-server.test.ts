/**
 * A server that speaks protocol 1 only, behind a real socket: it knows push and pull, no health, no packed bodies, and
 * answers 400 to what it does not understand. Two brains converge through it, and go over to protocol 2 once it can.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { createTestKey } from '../support/server-keys.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { type Place, SyncDevice } from '../support/sync-device.ts';

let serverStore: ChangeStore;
let modern: StubServer;
let old: http.Server;
let stores: OpenStore[];
let a: SyncDevice;
let b: SyncDevice;
let place: Place;
/** What the old server was asked, as `<path> <protocolVersion>`. */
const asked: string[] = [];

beforeAll(async () => {
  serverStore = await openEmbeddedServerStore({ memory: true });
  modern = await startStub(serverStore);
  stores = [await openMemoryStore(), await openMemoryStore()];
  old = http.createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  old.closeAllConnections();
  old.close();
  await modern.close();
  await serverStore.close();
  for (const store of stores) await store.close();
});
beforeEach(async () => {
  const key = await createTestKey(serverStore, 'test');
  place = { url: `http://127.0.0.1:${(old.address() as AddressInfo).port}`, key };
  [a, b] = (await Promise.all(stores.map((store) => SyncDevice.start(store)))) as [SyncDevice, SyncDevice];
  asked.length = 0;
});

async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const refuse = (status: number, text: string): void => void response.writeHead(status).end(text);
  if (!/^\/v1\/brain\/(?:push|pull)$/.test(request.url ?? '')) return refuse(404, '<h1>Not Found</h1>');
  if (request.headers['content-encoding'] !== undefined) return refuse(400, '{"error":"invalid JSON"}');
  const { protocolVersion } = JSON.parse(String(body)) as { protocolVersion: number };
  asked.push(`${request.url} ${protocolVersion}`);
  if (protocolVersion !== 1) return refuse(400, '{"error":"unsupported protocolVersion"}');
  const { authorization = '', 'x-client-id': clientId = '' } = request.headers;
  const headers = { authorization, 'x-client-id': String(clientId), 'content-type': 'application/json' };
  const told = await fetch(`${modern.url}${request.url}`, { method: 'POST', headers, body });
  response.writeHead(told.status, { 'content-type': 'application/json' }).end(await told.text());
}

test('[S1][S15] two brains converge through a server of protocol 1, which is said', async () => {
  await a.record(place, ...Array.from({ length: 450 }, (_, number) => ({ title: `from a ${number}` })));
  await b.record(place, { title: 'from b' });
  for (const device of [a, b, a, b]) {
    const report = await device.sync(place);
    expect(report).toMatchObject({ success: true, protocol: 1, pending: 0, pulled: { setAside: 0 } });
  }
  expect(asked.every((each) => each.endsWith(' 1'))).toBe(true);
  expect(await a.titles(place)).toHaveLength(451);
  expect(await b.titles(place)).toEqual(await a.titles(place));
  const again = await a.sync(place);
  expect(again).toMatchObject({ success: true, pushed: { sent: 0 } });
  expect(await a.sync(place, { verify: true })).toMatchObject({ success: true });
});

test('[S5] an edit made after seeing a version wins through a server of protocol 1', async () => {
  const [entry] = await a.record(place, { title: 'first' });
  for (const device of [a, b]) await device.sync(place);
  await b.edit(place, entry?.entryId ?? '', 'second');
  for (const device of [b, a]) await device.sync(place);
  expect(await a.titles(place)).toEqual(['second']);
});
