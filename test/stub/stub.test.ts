/** The stub: each fault does what it says, over a real socket, and without one it is the server. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { parseFaults } from '../../server-stub/faults.ts';
import { plainContent } from '../support/arbitraries.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';

let store: ChangeStore;
let server: StubServer;
beforeAll(async () => {
  store = await openEmbeddedServerStore({ memory: true });
  server = await startStub(store);
});
afterEach(() => server.setFaults(''));
afterAll(async () => {
  await server.close();
  await store.close();
});

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${server.key.apiKey}`, ...headers },
    body: JSON.stringify(body),
  });
}

const PULL = { protocolVersion: 1, clientId: 'c', projectId: 'p', since: 0, limit: 10 };
const pull = (headers: Record<string, string> = {}): Promise<Response> => post('/v1/brain/pull', PULL, headers);

async function push(number: number): Promise<Response> {
  const entry = { ...plainContent(number, 'title'), workspaceId: '', updatedAt: Date.now() };
  return post('/v1/brain/push', { protocolVersion: 1, clientId: 'c', projectId: 'p', since: 0, entries: [entry] });
}

test('[V14] without a fault it is the server', async () => {
  expect((await pull()).status).toBe(200);
  expect((await fetch(`${server.url}/v1/brain/health`)).status).toBe(200);
  expect((await post('/v1/brain/pull', { protocolVersion: 9 })).status).toBe(422);
  const setup = await post('/v1/setup', { email: 'dev@example.org', workspaceName: 'dev' });
  expect(await setup.json()).toMatchObject({ workspaceId: expect.any(String), apiKey: expect.stringMatching(/^sm_/) });
});

test('[V14] a status comes as often as it was asked for, with Retry-After where it was', async () => {
  server.setFaults('status:503,times=2,retry=7,path=/v1/brain/pull');
  const first = await pull();
  expect([first.status, first.headers.get('retry-after')]).toEqual([503, '7']);
  expect((await push(1)).status).toBe(200);
  expect([(await pull()).status, (await pull()).status]).toEqual([503, 200]);
});

test('[V14] an answer is lost after the commit', async () => {
  const before = await store.lastCursor(server.key.workspaceId);
  server.setFaults('lost,times=1');
  await expect(push(2)).rejects.toThrow();
  expect(await store.lastCursor(server.key.workspaceId)).toBeGreaterThan(before);
});

test('[V14] a connection is cut before the request arrives, or in the middle of the answer', async () => {
  const before = await store.lastCursor(server.key.workspaceId);
  server.setFaults('cut:head,times=1');
  await expect(push(3)).rejects.toThrow();
  expect(await store.lastCursor(server.key.workspaceId)).toBe(before);
  server.setFaults('cut:body,times=1');
  const cut = await pull();
  expect(cut.status).toBe(200);
  await expect(cut.text()).rejects.toThrow();
});

test('[V14] rubbish, a redirection, another page and a flood are what they are called', async () => {
  server.setFaults('html,times=1');
  expect((await pull()).headers.get('content-type')).toBe('text/html');
  server.setFaults('garbage,times=1');
  await expect((await pull()).json()).rejects.toThrow();
  server.setFaults('redirect:http://127.0.0.1:9/elsewhere,times=1');
  const redirect = await pull();
  expect([redirect.status, redirect.headers.get('location')]).toEqual([302, 'http://127.0.0.1:9/elsewhere']);
  server.setFaults('huge,times=1');
  const flood = (await pull()).body?.getReader();
  let bytes = 0;
  while (bytes < 5_000_000) bytes += (await flood?.read())?.value?.length ?? 0;
  await flood?.cancel();
  server.setFaults('');
  const page = await (await pull()).text();
  await push(4);
  server.setFaults('stale,times=1,path=/v1/brain/pull');
  expect(await (await pull()).text()).toBe(page);
  expect(await (await pull()).text()).not.toBe(page);
});

test('[V14] latency, drips and hanging take their time', async () => {
  const startedMs = performance.now();
  server.setFaults('latency:120..130,times=1');
  await pull();
  expect(performance.now() - startedMs).toBeGreaterThan(110);
  server.setFaults('drip:200,times=1');
  const drip = (await pull({ 'accept-encoding': 'identity' })).body?.getReader();
  expect((await drip?.read())?.value?.length).toBe(20);
  await drip?.cancel();
  server.setFaults('hang,times=1');
  await expect(fetch(`${server.url}/v1/brain/health`, { signal: AbortSignal.timeout(150) })).rejects.toThrow(
    /abort|time/,
  );
});

test('[V14] the clock is off by what was asked', async () => {
  server.setFaults('clock:-600000');
  const { serverTime } = (await (await fetch(`${server.url}/v1/brain/health`)).json()) as { serverTime: number };
  expect(Math.abs(serverTime - Date.now() + 600_000)).toBeLessThan(5_000);
});

test('[V14] a request can bring its own fault, and faults are set and looked at over HTTP', async () => {
  expect((await pull({ 'x-stub-fault': 'status:429,retry=1' })).status).toBe(429);
  expect((await pull()).status).toBe(200);
  expect((await post('/stub/faults', { faults: 'status:500,match="limit":10,times=1' })).status).toBe(200);
  expect((await pull()).status).toBe(500);
  const listed = (await (await fetch(`${server.url}/stub/faults`)).json()) as { faults: unknown[] };
  expect(listed.faults).toHaveLength(1);
  await fetch(`${server.url}/stub/faults`, { method: 'DELETE' });
  expect(server.stub.faults.all).toEqual([]);
  const refused = await post('/stub/faults', { faults: 'explode' });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ error: 'bad_request' });
});

test('[V14] what is no fault is refused, by its part', () => {
  for (const text of [
    'boom',
    'status',
    'status:9',
    'latency:x',
    'cut:tail',
    'lost:1',
    'lost,often=1',
    'lost,times=x',
  ]) {
    expect(() => parseFaults(text)).toThrow(/not understood/);
  }
  expect(parseFaults(' lost ; status:503,chance=0.5 ')).toMatchObject([
    { kind: 'lost' },
    { value: '503', chance: 0.5 },
  ]);
});
