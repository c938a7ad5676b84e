/**
 * The brain over Streamable HTTP: the SDK's own client against the server behind a real socket, over both stores' kinds of
 * failure, beside brains that sync with the same workspace.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { createServerApp, type ServerApp } from '../../lib/server/app.ts';
import { listen, type ListeningServer } from '../../lib/server/listen.ts';
import type { ChangeStore, StorePull } from '../../lib/server/store.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import { createTestKey, type TestKey } from '../support/server-keys.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';
import { SyncDevice } from '../support/sync-device.ts';
import type { Answer } from '../support/mcp-client.ts';

let store: ChangeStore;
let app: ServerApp;
let server: ListeningServer;
let directory: string;
let deviceStore: OpenStore;
let key: TestKey;
/** Fails the server's storage while it is set. */
let isBroken = false;
/** What each pull waits for before it is begun. */
let beforePull: () => Promise<void> = () => Promise.resolve();
const open: Client[] = [];

beforeAll(async () => {
  const embedded = await openEmbeddedServerStore({ memory: true });
  store = new Proxy(embedded, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'push' && isBroken) return () => Promise.reject(new Error('the disk is gone'));
      if (name === 'pull') return async (query: StorePull) => (await beforePull(), target.pull(query));
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  deviceStore = await openMemoryStore();
  directory = makeDirectory();
  app = createServerApp({ store, replicaDirectory: directory, limits: 'none' });
  server = await listen(app, { host: '127.0.0.1', port: 0, graceMs: 50 });
});
afterAll(async () => {
  await server.close();
  await app.close();
  await store.close();
  await deviceStore.close();
  removeDirectory(directory);
});
beforeEach(async () => {
  isBroken = false;
  beforePull = () => Promise.resolve();
  key = await createTestKey(store, 'team');
});
afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

interface Agent {
  client: Client;
  call(tool: string, input: Record<string, unknown>): Promise<Answer>;
}

async function connect({
  apiKey = key.apiKey,
  isModern = false,
  headers = {},
}: { apiKey?: string; isModern?: boolean; headers?: Record<string, string> } = {}): Promise<Agent> {
  const client = new Client(
    { name: 'codex-mcp-client', version: '1.0.0' },
    isModern ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {},
  );
  const requestInit = { headers: { Authorization: `Bearer ${apiKey}`, ...headers } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit }));
  open.push(client);
  return {
    client,
    async call(tool, input) {
      const result = await client.callTool({ name: tool, arguments: input });
      const text = result.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
      return {
        text,
        isError: result.isError === true,
        structure: (result.structuredContent ?? {}) as Answer['structure'],
      };
    },
  };
}

const entryOf = ({ structure }: Answer) =>
  (structure as { entry: { id: string; agent: string; project: string } }).entry;
const found = ({ structure }: Answer) => (structure as { entries: { id: string; title: string }[] }).entries;

test.each([false, true])(
  '[A13] an agent records and recalls over HTTP, and every brain has it (2026: %s)',
  async (isModern) => {
    const agent = await connect({ isModern, headers: { 'X-Agent': 'codex' } });
    const { tools } = await agent.client.listTools();
    expect(tools.map(({ name }) => name)).toContain('brain_feedback');
    const recorded = entryOf(await agent.call('brain_record', { title: 'Retries hide the race', kind: 'insight' }));
    expect(recorded).toMatchObject({ agent: 'codex', project: key.projectId });

    const device = await SyncDevice.start(deviceStore);
    const place = { url: server.url, key };
    expect(await device.sync(place)).toMatchObject({ success: true });
    expect(await device.titles(place)).toEqual(['Retries hide the race']);

    // And what a brain has pushed is found at once.
    await device.record(place, { title: 'Backoff with jitter ended the stampede' });
    await device.sync(place);
    const hits = found(await agent.call('brain_recall', { query: 'jitter stampede', all_projects: true }));
    expect(hits.map(({ title }) => title)).toEqual(['Backoff with jitter ended the stampede']);
    expect(await agent.call('brain_feedback', { id: recorded.id, verdict: 'useful' })).toMatchObject({
      isError: false,
    });
    expect((await agent.call('brain_context', { budget: 500, all_projects: true })).text).toContain('jitter');
  },
);

test('[A13] a key opens its own workspace and nothing else, and a project may be named', async () => {
  const mine = await connect({ headers: { 'X-Project-Id': 'shop' } });
  const recorded = entryOf(await mine.call('brain_record', { title: 'ours alone', kind: 'note' }));
  expect(recorded.project).toBe('shop');
  const other = await connect({ apiKey: (await createTestKey(store, 'others')).apiKey });
  expect(found(await other.call('brain_recall', { all_projects: true }))).toEqual([]);
  expect(await other.call('brain_show', { id: recorded.id })).toMatchObject({ isError: true });
  const elsewhere = await connect();
  expect(found(await elsewhere.call('brain_recall', {}))).toEqual([]);
  expect(found(await elsewhere.call('brain_recall', { all_projects: true }))).toHaveLength(1);
});

test('[A13] without a good key, from another site, and with too much there is nothing', async () => {
  const ask = (headers: Record<string, string>, body = '{"jsonrpc":"2.0","id":1,"method":"ping"}') =>
    fetch(`${server.url}/mcp`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers },
      body,
    });
  const bearer = { Authorization: `Bearer ${key.apiKey}` };
  expect((await ask({})).status).toBe(401);
  expect((await ask({ Authorization: 'Bearer sm_aaaaaaaa_aaaa' })).status).toBe(401);
  expect((await ask({ ...bearer, Origin: 'https://evil.example' })).status).toBe(403);
  expect((await ask({ ...bearer, Origin: 'null' })).status).toBe(403);
  expect((await ask({ ...bearer, Origin: server.url })).status).toBe(200);
  expect((await ask({ ...bearer, 'X-Project-Id': 'x y' })).status).toBe(400);
  expect((await ask(bearer, '{')).status).toBe(400);
  expect((await ask(bearer, `{"jsonrpc":"2.0","id":1,"method":"ping","x":"${'x'.repeat(5_000_000)}"}`)).status).toBe(
    413,
  );
  expect((await fetch(`${server.url}/mcp`, { headers: bearer })).status).toBe(405);
  const plain = createServerApp({ store, limits: 'none' });
  expect((await plain.request('/mcp', { method: 'POST', headers: bearer })).status).toBe(404);
});

test('[A13] what is written is on the server before it is acknowledged, or the agent is told that it is not', async () => {
  const agent = await connect();
  await agent.call('brain_record', { title: 'before', kind: 'note' });
  isBroken = true;
  const failed = await agent.call('brain_record', { title: 'during', kind: 'note' });
  expect(failed).toMatchObject({ isError: true });
  expect(failed.text).toMatch(/kept, but not shared yet.*do not record it again/s);
  isBroken = false;
  await agent.call('brain_record', { title: 'after', kind: 'note' });
  const device = await SyncDevice.start(deviceStore);
  await device.sync({ url: server.url, key });
  expect(await device.titles({ url: server.url, key })).toEqual(['after', 'before', 'during']);
});

test('[A13] private text is not taken over a network, and secrets are masked', async () => {
  const agent = await connect();
  const refused = await agent.call('brain_record', { title: 'a', kind: 'note', summary: '<Private>x</private>' });
  expect(refused).toMatchObject({ isError: true });
  expect(refused.text).toContain('nothing was recorded');
  const masked = await agent.call('brain_record', { title: `ghp_${'a1B2'.repeat(9)}`, kind: 'note' });
  expect(masked.text).toContain('masked');
  expect(found(await agent.call('brain_recall', {})).map(({ title }) => title)).toEqual(['[masked secret]']);
});

test('[A13] many agents of many workspaces at once lose nothing, and workspaces share no directory', async () => {
  const keys = await Promise.all(Array.from({ length: 3 }, (_, n) => createTestKey(store, `team ${n}`)));
  const agents = await Promise.all(keys.flatMap(({ apiKey }) => [connect({ apiKey }), connect({ apiKey })]));
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, n) =>
      agents[n % agents.length]?.call('brain_record', { title: `finding ${n}`, kind: 'note' }),
    ),
  );
  for (const answer of answers) expect(answer?.isError === true ? answer.text : '').toBe('');
  for (const [index, { apiKey }] of keys.entries()) {
    const agent = await connect({ apiKey });
    const titles = found(await agent.call('brain_recall', { limit: 50 })).map(({ title }) => title);
    const own = Array.from({ length: 60 }, (_, n) => n).filter((n) => Math.floor((n % 6) / 2) === index);
    expect(titles.toSorted()).toEqual(own.map((n) => `finding ${n}`).toSorted());
  }
  expect(fs.readdirSync(directory).length).toBeGreaterThanOrEqual(3);
});

test('[A13] more workspaces than brains are open at once are served one after the other', async () => {
  for (let n = 0; n < 9; n += 1) {
    const agent = await connect({ apiKey: (await createTestKey(store, `many ${n}`)).apiKey });
    expect(await agent.call('brain_record', { title: `of ${n}`, kind: 'note' })).toMatchObject({ isError: false });
  }
});

/** A server of its own over the same store, without a socket. */
function startAnother(options: { replicaPatienceMs?: number } = {}) {
  const another = createServerApp({
    store,
    replicaDirectory: path.join(directory, crypto.randomUUID()),
    limits: 'none',
    ...options,
  });
  const ask = async (method: string, params: Record<string, unknown>) => {
    const response = await another.request('/mcp', {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${key.apiKey}`,
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        'MCP-Protocol-Version': '2025-06-18',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    return response.text();
  };
  return { another, ask };
}

test('[A13] its brain is made ready when an agent introduces itself, before it asks', async () => {
  const { another, ask } = startAnother();
  const pulled = new Promise<void>((resolve) => {
    beforePull = () => Promise.resolve(resolve());
  });
  const clientInfo = { name: 'x', version: '1' };
  await ask('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
  await pulled;
  await another.close();
});

test('[A13] a question that would wait too long for its brain is told so; that goes on, and nobody else waits', async () => {
  const { another, ask } = startAnother({ replicaPatienceMs: 1 });
  const device = await SyncDevice.start(deviceStore);
  const place = { url: server.url, key };
  await device.record(place, { title: 'Jitter ended the stampede' });
  await device.sync(place);
  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  beforePull = () => held;
  const question = { name: 'brain_recall', arguments: { query: 'jitter', all_projects: true } };
  expect(await ask('tools/call', question)).toMatch(/being made ready here: 0 changes.*Ask again in a moment/);
  expect((await another.request('/v1/brain/health')).status).toBe(200);
  await device.record(place, { title: 'Another' });
  expect(await device.sync(place, { mode: 'push' })).toMatchObject({ success: true });
  goOn();
  // Each of these waits for a millisecond; what they ask for goes on.
  let answer = await ask('tools/call', question);
  while (answer.includes('being made ready')) answer = await ask('tools/call', question);
  expect(answer).toContain('Jitter ended the stampede');
  await another.close();
});
