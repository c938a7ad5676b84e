/** Who gets in: keys and their revocation, signing up, resets, rates; and what the log says of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SetupAnswer } from '../../lib/protocol/wire.ts';
import { hashSecret } from '../../lib/server/keys.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { CLOCK_START_MS, createTestServer, type TestServer, withParts } from '../support/server-app.ts';
import { flatChange } from '../support/server-changes.ts';
import { administer } from '../support/server-keys.ts';

let store: ChangeStore;
beforeAll(async () => {
  store = await openEmbeddedServerStore({ memory: true });
});
afterAll(() => store.close());

const serve = (options: Parameters<typeof createTestServer>[0] = {}): Promise<TestServer> =>
  createTestServer(options, store);
const pullWith = (server: TestServer, apiKey: string) =>
  server.post('/v1/brain/pull', apiKey, { protocolVersion: 2, clientId: 'c', since: 0 });

test('[V6] a revoked key is refused at once', async () => {
  const server = await serve();
  const key = await server.createKey();
  expect((await pullWith(server, key.apiKey)).status).toBe(200);
  await store.revokeKey(key.prefix, CLOCK_START_MS);
  expect(await pullWith(server, key.apiKey)).toMatchObject({ status: 401, body: { error: 'unauthorized' } });
});

test('[V6] what is kept of a key is its hash, and its prefix', async () => {
  const server = await serve();
  const { apiKey, prefix } = await server.createKey();
  expect(apiKey).toMatch(/^sm_[a-z2-9]{8}_[a-z2-9]{32}$/);
  expect(apiKey).toContain(`_${prefix}_`);
  const listed = JSON.stringify(await administer(store, 'key/list', {}));
  expect(listed).toContain(prefix);
  expect(listed).not.toContain(apiKey);
  expect(listed).not.toContain(hashSecret(apiKey));
});

test('[V6] no log line holds a key, a token, an invitation or what was said', async () => {
  const lines: string[] = [];
  const write = (fields: Record<string, unknown>, message: string) =>
    void lines.push(JSON.stringify([fields, message]));
  const broken = withParts(store, {
    history: () => Promise.reject(new Error('the store broke')),
  });
  const server = await createTestServer(
    { log: { info: write, warn: write, error: write }, adminToken: 'the-admin-token', signup: 'invitation' },
    broken,
  );
  const key = await server.createKey();
  const change = flatChange({ number: 1, title: 'PRIVATE WORDS', updatedAt: 5, workspaceId: '' });
  const push = { protocolVersion: 2, clientId: 'c', changes: [change, { ...change, kind: 'PRIVATE WORDS' }] };
  await server.post('/v1/brain/push', key.apiKey, push);
  await server.post('/v1/brain/push', `${key.apiKey}x`, push);
  const failed = await server.post('/v1/brain/history', key.apiKey, { protocolVersion: 2 });
  expect(failed).toMatchObject({ status: 500, body: { error: 'internal' } });
  expect(JSON.stringify(failed.body)).not.toContain('broke');
  const { body } = await server.post<{ invitation: string }>('/v1/admin/invite/create', 'the-admin-token', {});
  const signedUp = await server.post<SetupAnswer>('/v1/setup', undefined, {
    email: 'private@example.org',
    invitation: body.invitation,
  });
  expect(signedUp.status).toBe(200);
  await server.app.request(`/v1/brain/pull?key=${key.apiKey}`, { method: 'POST' });
  expect(lines).toHaveLength(6);
  const text = lines.join('\n');
  for (const secret of [key.apiKey, key.apiKey.slice(-32), 'the-admin-token', body.invitation, signedUp.body.apiKey]) {
    expect(text).not.toContain(secret);
  }
  expect(text).not.toMatch(/PRIVATE WORDS|private@example|Bearer/);
  expect(text).toContain(key.prefix);
  expect(text).toContain('the store broke');
});

test('[V7] signing up needs an invitation, before anything is told about the address', async () => {
  const server = await serve();
  const setup = async (more: Record<string, unknown>, header?: string) => {
    const response = await server.app.request('/v1/setup', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(header === undefined ? {} : { 'X-Invitation': header }) },
      body: JSON.stringify({ email: 'ada@example.org', workspaceName: 'ada', ...more }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  const invite = async (request: Record<string, unknown>): Promise<string> =>
    ((await administer(store, 'invite/create', request)) as { invitation: string }).invitation;
  const refused = await setup({});
  expect(refused).toMatchObject({ status: 403, body: { error: 'forbidden' } });
  const invitation = await invite({ email: 'Ada@example.org' });
  expect((await setup({ email: 'eve@example.org', invitation })).body).toEqual(refused.body);
  server.clock.ms = Date.now();
  const made = await setup({}, invitation);
  expect(made.status).toBe(200);
  expect((await pullWith(server, made.body['apiKey'] ?? '')).status).toBe(200);
  // Used up: and the address that has an account now is told no more than one that has none.
  expect((await setup({ invitation })).body).toEqual(refused.body);
  expect((await setup({})).body).toEqual(refused.body);
  // With a good one the contract of old clients holds.
  const { workspaceId, projectId } = made.body;
  expect(await setup({ invitation: await invite({}) })).toMatchObject({
    status: 409,
    body: { error: 'workspace_exists', workspaceId, projectId },
  });
  const expired = await invite({ expiresInMs: 1 });
  server.clock.ms += 60_000;
  expect((await setup({ email: 'late@example.org', invitation: expired })).status).toBe(403);
});

test('[V7] an invitation to a workspace gives the new member a key of it', async () => {
  const server = await serve();
  server.clock.ms = Date.now();
  const { invitation } = (await administer(store, 'invite/create', { workspace: server.key.workspaceId })) as {
    invitation: string;
  };
  const { body } = await server.post<SetupAnswer>('/v1/setup', undefined, { email: 'member@example.org', invitation });
  expect(body).toMatchObject({ workspaceId: server.key.workspaceId, projectId: server.key.projectId });
  expect((await pullWith(server, body.apiKey)).status).toBe(200);
});

test('[V7] an invitation that is used by two at once lets one in', async () => {
  const server = await serve();
  server.clock.ms = Date.now();
  const { invitation } = (await administer(store, 'invite/create', {})) as { invitation: string };
  const answers = await Promise.all(
    [1, 2, 3].map((number) => server.post('/v1/setup', undefined, { email: `racer${number}@example.org`, invitation })),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 403)).toHaveLength(2);
});

test('[V7] an e-mail address alone yields no new key; a present key or the administrator does', async () => {
  const server = await serve({ signup: 'open', adminToken: 'the-token' });
  const email = 'owner@example.org';
  const { body: first } = await server.post<SetupAnswer>('/v1/setup', undefined, { email });
  const refused = await server.post('/v1/setup/reset', undefined, { email });
  expect(refused).toMatchObject({ status: 403, body: { error: 'forbidden' } });
  const stranger = (await server.createKey()).apiKey;
  for (const [bearer, address] of [
    [stranger, email],
    ['sm_wrong', email],
    [undefined, 'nobody@example.org'],
    [first.apiKey, 'nobody@example.org'],
  ] as const) {
    expect((await server.post('/v1/setup/reset', bearer, { email: address })).body).toEqual(refused.body);
  }
  const { body: second } = await server.post<SetupAnswer>('/v1/setup/reset', first.apiKey, { email });
  expect(second).toMatchObject({ workspaceId: first.workspaceId, projectId: first.projectId });
  expect((await pullWith(server, first.apiKey)).status).toBe(401);
  expect((await pullWith(server, second.apiKey)).status).toBe(200);
  expect((await server.post('/v1/setup/reset', first.apiKey, { email })).status).toBe(403);
  expect((await server.post('/v1/setup/reset', 'the-token', { email })).status).toBe(200);
  expect((await server.post('/v1/setup/reset', 'the-token', { email: 'no@example.org' })).status).toBe(404);
  expect((await pullWith(server, second.apiKey)).status).toBe(401);
});

test('[V7] where resets are open, as in the stub, an address is enough', async () => {
  const server = await serve({ signup: 'open', reset: 'open' });
  const email = 'developer@example.org';
  const { body } = await server.post<SetupAnswer>('/v1/setup', undefined, { email });
  const again = await server.post<SetupAnswer>('/v1/setup/reset', undefined, { email });
  expect(again).toMatchObject({ status: 200, body: { workspaceId: body.workspaceId } });
});

test('[V9] requests are limited by key and by address, and told when to come again', async () => {
  const byKey = await serve({ limits: { keyRequestsPerMinute: 3 } });
  const other = await byKey.createKey();
  for (let index = 0; index < 3; index += 1) expect((await pullWith(byKey, byKey.key.apiKey)).status).toBe(200);
  const limited = await pullWith(byKey, byKey.key.apiKey);
  expect(limited).toMatchObject({ status: 429, body: { error: 'rate_limited' } });
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect((await pullWith(byKey, other.apiKey)).status).toBe(200);
  const byAddress = await serve({ limits: { addressRequestsPerMinute: 2 }, trustProxy: true });
  const health = (address: string) =>
    byAddress.app.request('/v1/brain/health', { headers: { 'X-Forwarded-For': `10.9.9.9, ${address}` } });
  const statuses = [];
  for (const address of ['1.1.1.1', '1.1.1.1', '1.1.1.1', '2.2.2.2']) statuses.push((await health(address)).status);
  // Addresses of one IPv6 network are one customer's.
  for (const end of [1, 2, 3]) statuses.push((await health(`2001:db8::${end}`)).status);
  expect(statuses).toEqual([200, 200, 429, 200, 200, 200, 429]);
});

test('[V9] wrong keys and sign-ups are limited more strictly; X-Forwarded-For is believed of a proxy only', async () => {
  const server = await serve({ limits: { failuresPerMinute: 2, setupsPerHour: 2 } });
  const attempt = (address: string) =>
    server.app.request('/v1/brain/pull', {
      method: 'POST',
      headers: { Authorization: 'Bearer sm_wrong', 'X-Forwarded-For': address },
    });
  const statuses = [];
  for (const address of ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4']) statuses.push((await attempt(address)).status);
  expect(statuses).toEqual([401, 401, 429, 429]);
  expect((await pullWith(server, server.key.apiKey)).status).toBe(429);
  const setups = [];
  for (let index = 0; index < 3; index += 1) {
    setups.push((await server.post('/v1/setup', undefined, { email: 'a@example.org' })).status);
  }
  expect(setups).toEqual([403, 403, 429]);
});

test('[V8] metrics are for the administrator and this machine, and name no tenant', async () => {
  const server = await serve({ adminToken: 'the-token' });
  await pullWith(server, server.key.apiKey);
  expect((await server.app.request('/metrics')).status).toBe(403);
  const response = await server.app.request('/metrics', { headers: { Authorization: 'Bearer the-token' } });
  const text = await response.text();
  expect(text).toContain('stackmemory_requests_total{route="/v1/brain/pull",method="POST",status="200"} 1');
  expect(text).not.toContain(server.key.workspaceId);
  expect(text).not.toContain(server.key.prefix);
});

test('[V8] an address tells what its key opens', async () => {
  const server = await serve();
  const key = await server.createKey('Acme');
  const response = await server.app.request('/v1/brain/workspace', {
    headers: { Authorization: `Bearer ${key.apiKey}` },
  });
  expect(await response.json()).toEqual({
    workspaceId: key.workspaceId,
    projectId: key.projectId,
    workspaceName: 'Acme',
  });
});
