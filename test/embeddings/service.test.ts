/** Vectors of entries and questions, with a real brain and a server of embeddings over a real socket. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { RecallHit } from '../../lib/brain/recall-contract.ts';
import { EmbeddingService, type EmbeddingSettings } from '../../lib/embeddings/service.ts';
import { type Behaviour, type EmbeddingServer, embeddingServer, vectorOf } from '../support/embedding-server.ts';
import { openTestSession, type TestSession } from '../support/stores.ts';

const scope = { workspaceId: '', projectId: 'p' };
/** No real word, so that no two of them have one in common. */
const OTHERS = Array.from({ length: 80 }, (_, index) => ({
  title: `${nonsense(index)} ${nonsense(index + 500)}`,
  conclusion: `${nonsense(index + 1_000)} ${nonsense(index + 1_500)}`,
}));

let opened: TestSession;
let server: EmbeddingServer;
let events: string[];
let services: EmbeddingService[];

beforeEach(async () => {
  opened = await openTestSession();
  server = await embeddingServer();
  events = [];
  services = [];
});
afterEach(async () => {
  for (const service of services) await service.stop();
  await server[Symbol.asyncDispose]();
  await opened.dispose();
});

function nonsense(seed: number): string {
  return Array.from({ length: 9 }, (_, place) =>
    String.fromCodePoint(97 + ((seed * 7 + place * (seed % 11) + place * place) % 26)),
  ).join('');
}

async function record(...drafts: { title: string; conclusion?: string }[]): Promise<string[]> {
  const request = { requestId: randomUUID(), scope, agent: 'tester', drafts };
  return (await opened.session.run('record', request)).map(({ entryId }) => entryId);
}

function start(settings: Partial<EmbeddingSettings> = {}): EmbeddingService {
  const service = new EmbeddingService({
    brain: opened.session,
    settings: { url: server.url, model: 'plain', queryPrefix: '', entryPrefix: '', timeoutMs: 2_000, ...settings },
    onEvent: (message) => events.push(message),
  });
  services.push(service);
  service.start();
  return service;
}

const ready = (service: EmbeddingService) =>
  vi.waitFor(() => expect(service.figures().state).toBe('ready'), { timeout: 20_000 });
const failing = (service: EmbeddingService) =>
  vi.waitFor(() => expect(service.figures().state).toBe('failing'), { timeout: 20_000 });
const state = () => opened.session.run('embeddingState', {});

async function ask(service: EmbeddingService | undefined, query: string, more = {}): Promise<RecallHit[]> {
  const meaning = await service?.meaningOf(query);
  const request = { scope, query, limit: 10, ...more };
  return opened.session.run('recall', meaning === undefined ? request : { ...request, meaning });
}

const titles = (hits: RecallHit[]) => hits.map(({ title }) => title);

test('[R30] what means the same is found without a common word, and what nothing answers is refused', async () => {
  await record(...OTHERS, { title: 'swift automobile' }, { title: 'a vessel in the harbour' });
  const service = start();
  await ready(service);
  expect(await ask(undefined, 'quick car')).toEqual([]);
  const hits = await ask(service, 'quick car');
  expect(titles(hits)).toEqual(['swift automobile']);
  expect(hits[0]).toMatchObject({ matched: [], reasons: { words: 0, meaning: 1 } });
  expect(await ask(service, 'submarine sandwich')).toEqual([]);
  const meaning = await service.meaningOf('quick car');
  const asked = { scope, query: 'quick car', budget: 500, format: 'markdown' as const };
  const pack = await opened.session.run('context', meaning === undefined ? asked : { ...asked, meaning });
  expect(pack.text).toContain('swift automobile');
});

test('[R30] words count as before: an exact hit stays first, and what has neither word nor vector is no worse', async () => {
  await record(...OTHERS, { title: 'swift automobile' }, { title: 'quick car' });
  const service = start();
  await ready(service);
  expect(titles(await ask(service, 'quick car'))).toEqual(['quick car', 'swift automobile']);
  server.behave({ status: 500 });
  await record({ title: 'quick car, new' });
  const hits = await ask(service, 'quick car');
  const before = await ask(undefined, 'quick car');
  const scoreIn = (all: RecallHit[]) => all.find(({ title }) => title === 'quick car, new')?.score;
  expect(scoreIn(hits)).toBeCloseTo(scoreIn(before) ?? 0, 3);
  expect(hits.find(({ title }) => title === 'quick car, new')?.reasons).not.toHaveProperty('meaning');
});

test('[R30] filters, words left out and tags hold for what is found by its meaning', async () => {
  await record(...OTHERS, { title: 'swift automobile' });
  const service = start();
  await ready(service);
  expect(titles(await ask(service, 'quick car', { kind: 'note' }))).toEqual(['swift automobile']);
  expect(await ask(service, 'quick car', { kind: 'decision' })).toEqual([]);
  expect(await ask(service, 'quick car', { scope: { workspaceId: '', projectId: 'other' } })).toEqual([]);
  expect(await ask(service, 'quick car', { scope: { workspaceId: 'w', projectId: null } })).toEqual([]);
  expect(await ask(service, 'quick car -automobile')).toEqual([]);
  expect(await ask(service, 'quick car tag:none')).toEqual([]);
  expect(await ask(service, 'quick car', { asOfMs: Date.now() + 1_000 })).toEqual([]);
});

test('[R32] every entry gets a vector, a changed one another, a retracted one none', async () => {
  const [first = '', second = '', gone = ''] = await record(
    { title: 'one' },
    { title: 'two' },
    { title: 'gone' },
    ...OTHERS,
  );
  const reference = (idOrPrefix: string) => ({ requestId: randomUUID(), reference: { workspaceId: '', idOrPrefix } });
  await opened.session.run('retract', reference(gone));
  const service = start();
  await ready(service);
  expect(await state()).toMatchObject({ model: 'plain', dimensions: 64, vectors: OTHERS.length + 2, left: 0 });
  expect(server.texts).not.toContain('gone');
  const sent = server.texts.length;
  await opened.session.run('edit', { ...reference(first), edit: { title: 'changed' } });
  await opened.session.run('feedback', { ...reference(second), verdict: 'useful' });
  service.noteWrite();
  await vi.waitFor(async () => expect(server.texts.slice(sent)).toEqual(['changed']), { timeout: 20_000 });
});

test('[R32] another model, or another one of the same name, begins anew; the same one goes on', async () => {
  await record(...OTHERS, { title: 'swift automobile' });
  await ready(start());
  const before = await state();
  const sent = server.texts.length;
  await services[0]?.stop();
  await ready(start());
  expect(await state()).toEqual(before);
  expect(server.texts.length).toBe(sent + 1);
  await services[1]?.stop();
  server.behave({ seed: 7 });
  const third = start();
  await ready(third);
  const after = await state();
  expect(after).toMatchObject({ model: 'plain', vectors: OTHERS.length + 1 });
  expect(after?.generation).not.toBe(before?.generation);
  expect(titles(await ask(third, 'quick car'))).toEqual(['swift automobile']);
  // What was asked with the old one is compared with nothing.
  const stale = { generation: before?.generation ?? '', vector: before?.probe ?? '' };
  expect(await opened.session.run('recall', { scope, query: 'quick car', limit: 5, meaning: stale })).toEqual([]);
});

const ROTTEN: [string, Behaviour][] = [
  ['fails', { status: 500, body: '{"error":{"message":"out of\\u001b[31m memory"}}' }],
  ['knows no such model', { status: 404, body: '{"error":"model not found"}' }],
  ['refuses the key', { status: 401, body: 'nope' }],
  ['sends elsewhere', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ['says nothing', { body: '' }],
  ['says rubbish', { body: '<html>' }],
  ['gives null', { body: 'null' }],
  ['gives too few', { body: '{"data":[]}' }],
  ['gives no numbers', { body: '{"data":[{"embedding":["x"]}]}' }],
  ['gives nothing but zeros', { body: '{"data":[{"embedding":[0,0,0]}]}' }],
  ['gives a place that is none', { body: '{"data":[{"index":-1,"embedding":[1]}]}' }],
  [
    'gives more dimensions than there are',
    { body: JSON.stringify({ data: [{ embedding: new Array(9_000).fill(1) }] }) },
  ],
  ['never ends', { body: `{"data":[${' '.repeat(40 * 1024 * 1024)}` }],
];

test.each(ROTTEN)('[R31] an address that %s changes no answer, at the start and later', async (_, how) => {
  await record(...OTHERS, { title: 'swift automobile' }, { title: 'quick car' });
  const plain = titles(await ask(undefined, 'quick car'));
  server.behave(how);
  const service = start();
  await failing(service);
  expect(titles(await ask(service, 'quick car'))).toEqual(plain);
  expect(await state()).toBeUndefined();
  await service.stop();
  server.behave({});
  const later = start();
  await ready(later);
  server.behave(how);
  expect(titles(await ask(later, 'quick car'))).toEqual(plain);
  const { calls } = server;
  expect(titles(await ask(later, 'quick car again'))).toEqual(titles(await ask(undefined, 'quick car again')));
  // Nobody waits for it again soon.
  expect(server.calls).toBe(calls);
  for (const line of events) expect(line).not.toMatch(/\p{Cc}|quick car|swift/u);
});

test('[R31] an address that hangs costs a question no more than its time, once; one that is not there nothing', async () => {
  await record(...OTHERS, { title: 'swift automobile' });
  const service = start({ timeoutMs: 50 });
  await ready(service);
  server.behave({ hangs: true });
  const { calls } = server;
  expect(await service.meaningOf('quick car')).toBeUndefined();
  expect(await service.meaningOf('rapid vehicle')).toBeUndefined();
  expect(server.calls).toBe(calls + 1);
  expect(service.figures()).toMatchObject({ state: 'failing', failure: 'it did not answer (not in time)' });
  const closed = await embeddingServer();
  await closed[Symbol.asyncDispose]();
  const nowhere = start({ url: closed.url });
  await failing(nowhere);
  expect(nowhere.figures().failure).toContain('ECONNREFUSED');
  expect(await nowhere.meaningOf('quick car')).toBeUndefined();
});

test('[R31] a model that answers with other dimensions while it runs is noticed, and its vectors are made anew', async () => {
  await record(...OTHERS, { title: 'swift automobile' });
  let nowMs = 0;
  const service = new EmbeddingService({
    brain: opened.session,
    settings: { url: server.url, model: 'plain', queryPrefix: '', entryPrefix: '', timeoutMs: 2_000 },
    onEvent: (message) => events.push(message),
    nowMs: () => nowMs,
  });
  services.push(service);
  service.start();
  await ready(service);
  server.behave({ dimensions: 32 });
  expect(await ask(service, 'quick car')).toEqual([]);
  expect(service.figures().failure).toContain('another length');
  nowMs += 3_600_000;
  await service.stop();
  const next = start();
  await ready(next);
  expect(await state()).toMatchObject({ dimensions: 32, vectors: OTHERS.length + 1 });
  expect(titles(await ask(next, 'quick car'))).toEqual(['swift automobile']);
});

test('[R33] private text, secrets and what was retracted are never sent, and a question goes without its secrets', async () => {
  const key = ['ghp', 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8'].join('_');
  await record(...OTHERS, { title: 'plans <private>sell the company</private>' });
  const kept = { requestId: randomUUID(), scope, agent: 'tester', allowsSecrets: true };
  await opened.session.run('record', { ...kept, drafts: [{ title: `the key is ${key}` }] });
  const service = start({ apiKey: 'sk-of-the-address' });
  await ready(service);
  expect(await service.meaningOf('what of <private>the company</private>')).toBeUndefined();
  expect(await service.meaningOf(`who uses ${key}`)).toBeDefined();
  expect(server.last).toEqual({ authorization: 'Bearer sk-of-the-address', model: 'plain' });
  const sent = server.texts.join('\n');
  expect(sent).toContain('who uses [masked secret]');
  expect(sent).not.toMatch(/company|ghp_|plans/);
  expect(events.join('\n')).not.toMatch(/sk-of|company|ghp_/);
  expect(await state()).toMatchObject({ vectors: OTHERS.length, left: 0 });
});

test('[R32] a text that the model refuses holds up no other, and is in no log', async () => {
  server.behave({ refuses: /poison/ });
  await record(...OTHERS.slice(0, 40), { title: 'poison in the well' }, ...OTHERS.slice(40), {
    title: 'swift automobile',
  });
  const service = start();
  await ready(service);
  expect(await state()).toMatchObject({ vectors: OTHERS.length + 1, left: 0 });
  expect(titles(await ask(service, 'quick car'))).toEqual(['swift automobile']);
  expect(await service.meaningOf('poison')).toBeUndefined();
  expect(service.figures().failure).toContain('too odd');
  expect(events.join('\n')).not.toMatch(/poison|odd/);
});

test('[R32] who writes on and on does not put it off', async () => {
  await record(...OTHERS);
  const service = start();
  await ready(service);
  const sent = server.texts.length;
  await record({ title: 'written' });
  const writing = setInterval(() => service.noteWrite(), 50);
  try {
    await vi.waitFor(() => expect(server.texts.slice(sent)).toEqual(['written']), { timeout: 20_000 });
  } finally {
    clearInterval(writing);
  }
});

test('[R32] prefixes are put before entries and questions, and a question asked again is not sent again', async () => {
  await record(...OTHERS);
  const service = start({ entryPrefix: 'passage: ', queryPrefix: 'query: ' });
  await ready(service);
  expect(server.texts.every((text) => text.startsWith('passage: '))).toBe(true);
  await service.meaningOf('quick car');
  const { calls } = server;
  await service.meaningOf(' quick car ');
  expect(server.calls).toBe(calls);
  expect(server.texts.at(-1)).toBe('query: quick car');
  expect(vectorOf('a')).not.toEqual(vectorOf('b'));
});
