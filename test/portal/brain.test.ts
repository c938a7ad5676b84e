/** What `/brain` answers over HTTP, on a real brain: who may ask, what is found, what is changed, what is told of. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import { openOwnedBrain } from '../../lib/host/owned-brain.ts';
import { BrainWindow } from '../../portal/brain-window.ts';
import { startPortal, type TestPortal } from '../support/portal.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

const PLACE = { workspaceId: '', projectId: 'p', project: 'acme/app' };

let brain: Brain;
let directory: string;
beforeAll(async () => {
  directory = makeDirectory();
  brain = await openOwnedBrain({ brainDirectory: directory });
});
afterAll(async () => {
  await brain.close();
  removeDirectory(directory);
});

const rim = {
  locate: () => Promise.resolve(PLACE),
  // Closed by the window; the brain itself goes on to the next test.
  connect: () => Promise.resolve({ run: brain.run.bind(brain), close: () => Promise.resolve() }),
};

const start = (options = {}): Promise<TestPortal> => startPortal({ isPlain: true, brain: rim, ...options });

async function record(title: string, fields: object = {}, projectId = 'p'): Promise<string> {
  const scope = { workspaceId: '', projectId };
  const drafts = [{ title, ...fields }];
  const [entry] = await brain.run('record', { requestId: randomUUID(), scope, agent: 'claude', drafts });
  return entry?.entryId ?? '';
}

async function loggedIn(portal: TestPortal, query = `token=${portal.token}`): Promise<string> {
  const response = await fetch(`${portal.url}/?${query}`);
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

async function ask(portal: TestPortal, path: string, cookie: string) {
  const response = await fetch(`${portal.url}${path}`, { headers: { cookie } });
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text) as Record<string, unknown> };
}

async function post(portal: TestPortal, path: string, cookie: string, body: unknown, headers = {}) {
  const response = await fetch(`${portal.url}/api/brain/${path}`, {
    method: 'POST',
    headers: { cookie, origin: portal.url, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

test('[P24] nobody is answered without a login, and a link for a session leads nowhere here', async () => {
  const portal = await start();
  const entryId = await record('Secret plan');
  const share = portal.portal.share('claude', 60_000);
  const looker = await loggedIn(portal, `share=${share.secret}`);
  for (const path of [
    '/brain',
    '/api/brain/search',
    `/api/brain/entries/${entryId}`,
    '/api/brain/overview',
    '/api/brain/live',
  ]) {
    for (const [cookie, status] of [
      ['', 401],
      ['sm_portal_0=forged.cookie', 401],
      [looker, 403],
    ] as const) {
      const answer = await ask(portal, path, cookie);
      expect(answer).toMatchObject({ status });
      expect(answer.text).not.toContain('Secret plan');
    }
  }
  for (const cookie of ['', looker]) {
    expect((await post(portal, 'retract', cookie, { requestId: randomUUID(), entryId })).status).toBeGreaterThan(400);
  }
  expect(await brain.run('show', { workspaceId: '', idOrPrefix: entryId })).toMatchObject({ status: 'active' });
});

test('[P24] who may only look changes nothing, nor does another site', async () => {
  const entryId = await record('To be kept');
  const portal = await start({ isReadOnly: true });
  const cookie = await loggedIn(portal);
  expect((await ask(portal, '/brain', cookie)).status).toBe(200);
  expect((await ask(portal, '/api/brain/overview', cookie)).json()).toMatchObject({ isReadOnly: true });
  const request = { requestId: randomUUID(), entryId };
  expect(await post(portal, 'retract', cookie, request)).toMatchObject({ status: 403 });
  const open = await start();
  const full = await loggedIn(open);
  const foreign = { origin: 'http://evil.example' };
  const response = await fetch(`${open.url}/api/brain/retract`, {
    method: 'POST',
    headers: { cookie: full, 'content-type': 'application/json', ...foreign },
    body: JSON.stringify(request),
  });
  expect(response.status).toBe(403);
  expect(await post(open, 'retract', full, JSON.stringify(request), { 'content-type': 'text/plain' })).toMatchObject({
    status: 400,
  });
  expect(await brain.run('show', { workspaceId: '', idOrPrefix: entryId })).toMatchObject({ status: 'active' });
});

test('[P25] it finds what recall finds, in the project or in all of them, and narrows by what is asked', async () => {
  const portal = await start();
  const cookie = await loggedIn(portal);
  await record('Quokka habitat', { kind: 'decision' });
  await record('Quokka elsewhere', {}, 'other');
  const search = async (query: string) => {
    const { hits } = (await ask(portal, `/api/brain/search?${query}`, cookie)).json() as {
      hits: { title: string; score: number }[];
    };
    return hits.map(({ title }) => title);
  };
  expect(await search('q=quokka')).toEqual(['Quokka habitat']);
  expect((await search('q=quokka&scope=org')).toSorted()).toEqual(['Quokka elsewhere', 'Quokka habitat']);
  expect(await search('q=quokka&scope=org&kind=decision&agent=claude&days=1&status=active')).toEqual([
    'Quokka habitat',
  ]);
  expect(await search('q=xyzzy')).toEqual([]);
  expect((await search(''))[0]).toBe('Quokka habitat');
  for (const query of ['kind=opinion', 'days=-1', 'scope=all', `q=${'x'.repeat(5_000)}`]) {
    expect((await ask(portal, `/api/brain/search?${query}`, cookie)).status).toBe(400);
  }
});

test('[P25] an entry comes with its history; supersede and retract change it once, and are in the audit log', async () => {
  const portal = await start();
  const cookie = await loggedIn(portal);
  const [old, next] = [await record('Old way'), await record('New way')];
  const request = { requestId: randomUUID(), oldId: old, newId: next };
  expect(await post(portal, 'supersede', cookie, request)).toMatchObject({
    status: 200,
    json: { entry: { status: 'superseded' } },
  });
  expect(await post(portal, 'supersede', cookie, request)).toMatchObject({ status: 200 });
  expect((await ask(portal, `/api/brain/entries/${old}`, cookie)).json()).toMatchObject({
    entry: { supersededBy: next },
    versions: 2,
    history: [{ isCurrent: true }, { isCurrent: false }],
    conflict: null,
  });
  expect(await post(portal, 'retract', cookie, { requestId: randomUUID(), entryId: next })).toMatchObject({
    json: { entry: { status: 'retracted' } },
  });
  const unknown = { requestId: randomUUID(), entryId: randomUUID() };
  expect(await post(portal, 'retract', cookie, unknown)).toMatchObject({ status: 404, json: { error: 'not_found' } });
  for (const body of ['', '{', '[]', '{"entryId":"x"}', 'x'.repeat(10_000)]) {
    expect((await post(portal, 'retract', cookie, body)).status).toBe(400);
  }
  expect((await ask(portal, '/api/brain/entries/zzzz', cookie)).status).toBe(400);
  const { readFileSync } = await import('node:fs');
  expect(readFileSync(`${portal.directory}/audit.log`, 'utf8')).toContain(`"did":"retracted","entryId":"${next}"`);
});

test('[P25] the overview counts, by kind and by agent over time', async () => {
  const portal = await start();
  const cookie = await loggedIn(portal);
  await record('Counted', { kind: 'experiment', agent: 'hermes' });
  const { project, status, activity, sync } = (await ask(portal, '/api/brain/overview', cookie)).json();
  expect({ project, sync }).toEqual({ project: 'acme/app', sync: null });
  expect(status).toMatchObject({ repoEntries: expect.any(Number) as number });
  const { steps, counts } = activity as { steps: number; counts: object[] };
  expect(counts).toContainEqual({ step: steps - 1, kind: 'experiment', agent: 'hermes', count: 1 });
});

test('[P25] what comes in is told of while somebody looks, and nobody is watched for nobody', async () => {
  const portal = await start();
  const cookie = await loggedIn(portal);
  const request = http.get(`${portal.url}/api/brain/live`, { headers: { cookie } });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  expect(response.headers['content-type']).toContain('text/event-stream');
  let heard = '';
  response.setEncoding('utf8').on('data', (text: string) => (heard += text));
  await once(response, 'data');
  // The first look says where it begins: what is recorded after it is news.
  for (let tries = 0; !heard.includes('Breaking'); tries += 1) {
    await record(`Breaking news ${tries}`);
    await once(response, 'data');
  }
  expect(portal.portal.brain.watchers).toBe(1);
  response.on('error', () => undefined); // That it was cut off is what was asked for.
  const ended = new Promise((resolve) => response.once('close', resolve));
  request.destroy();
  await ended;
  while (portal.portal.brain.watchers > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('[P25] a brain that cannot be reached is said, and asked again the next time', async () => {
  let isThere = false;
  const connect = () => (isThere ? rim.connect() : Promise.reject(new Error('no host')));
  const window = new BrainWindow({ ...rim, connect });
  onTestFinished(() => window.close());
  const request = { scope: { workspaceId: '', projectId: 'p' } };
  await expect(window.run('status', request)).rejects.toThrow('no host');
  isThere = true;
  expect(await window.run('status', request)).toHaveProperty('entries');
});
