/** Pushes that are sent before the one before is answered: that they are, and that a guess that was wrong costs nothing but its way. */
import { afterEach, expect, test, vi } from 'vitest';
import { callOf } from '../support/sync-calls.ts';
import { useSyncPair } from '../support/sync-pair.ts';

const pair = useSyncPair();

afterEach(() => {
  vi.useRealTimers();
});

const titles = (count: number) => Array.from({ length: count }, (_, index) => ({ title: `t${index + 1}` }));

/** Numbers each push from 1, and lets the test say what becomes of it. */
function numbered(handle: (number: number, send: () => Promise<Response>) => Promise<Response>) {
  const sent: number[] = [];
  const fetching: typeof fetch = (input, init) => {
    if (callOf(input) !== 'push') return fetch(input, init);
    const number = sent.length + 1;
    sent.push(number);
    return handle(number, () => fetch(input, init));
  };
  return { sent, fetching };
}

async function expectWhole(count: number): Promise<void> {
  const { server, serverStore, a, b } = pair;
  expect(await a.sync(server, { verify: true })).toMatchObject({ pending: 0, verification: { isEqual: true } });
  await b.sync(server);
  expect(await b.titles(server)).toEqual(
    titles(count)
      .map(({ title }) => title)
      .toSorted(),
  );
  const history = await serverStore.history({
    workspaceId: server.key.workspaceId,
    entryIds: null,
    since: 0,
    until: Number.MAX_SAFE_INTEGER,
    limit: 1_000,
    bytesMax: 1_000_000,
  });
  expect(history.items).toHaveLength(count);
}

test('[S25] the third push is on its way before the second is answered, and the first is alone', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(4));
  let tell = (): void => undefined;
  const isThirdSent = new Promise<void>((resolve) => (tell = resolve));
  let wasFirstAnswered = false;
  const { sent, fetching } = numbered(async (number, send) => {
    if (number === 2) expect(wasFirstAnswered).toBe(true);
    if (number === 3) tell();
    const response = await send();
    // Would wait for ever if the next one were sent after it.
    if (number === 2) await isThirdSent;
    wasFirstAnswered = true;
    return response;
  });
  const report = await a.sync(server, { pageChanges: 1, fetch: fetching });
  expect(report).toMatchObject({ success: true, pushed: { sent: 4, applied: 4 }, pending: 0 });
  expect(sent).toEqual([1, 2, 3, 4]);
  await expectWhole(4);
});

test.each([
  ['two pushes follow the one at the server', 0, [1, 2, 3, 4]],
  ['over a link that is slow only one does', 3_000, [1, 2, 3]],
])('[S25] %s', async (_, firstTakesMs, expected) => {
  const { server, a } = pair;
  await a.record(server, ...titles(6));
  vi.useFakeTimers({ toFake: ['performance'] });
  let sentBeforeAnswer: number[] = [];
  const { sent, fetching } = numbered(async (number, send) => {
    const response = await send();
    if (number === 1) vi.advanceTimersByTime(firstTakesMs);
    if (number === 2) {
      await vi.waitFor(() => expect(sent.length).toBeGreaterThanOrEqual(expected.length));
      // Time enough for one more, if there were to be one.
      await a.session.run('syncStanding', { endpoint: server.url, workspaceId: server.key.workspaceId });
      await new Promise((resolve) => setTimeout(resolve, 50));
      sentBeforeAnswer = [...sent];
    }
    return response;
  });
  expect(await a.sync(server, { pageChanges: 1, fetch: fetching })).toMatchObject({ success: true, pending: 0 });
  expect(sentBeforeAnswer).toEqual(expected);
  await expectWhole(6);
});

test('[S25] pushes that come through together over a slow link do not pass for quick ones', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(8));
  vi.useFakeTimers({ toFake: ['performance'] });
  let sentBeforeAnswer: number[] = [];
  let tell = (): void => undefined;
  const areThrough = new Promise<void>((resolve) => (tell = resolve));
  const { sent, fetching } = numbered(async (number, send) => {
    const response = await send();
    if (number === 1) vi.advanceTimersByTime(3_000);
    if (number === 2) {
      // The third shares the link with it from the start, and is through in the same moment.
      await vi.waitFor(() => expect(sent).toContain(3));
      vi.advanceTimersByTime(6_000);
      tell();
    }
    if (number === 3) await areThrough;
    if (number === 4) {
      await vi.waitFor(() => expect(sent).toContain(5));
      await a.session.run('syncStanding', { endpoint: server.url, workspaceId: server.key.workspaceId });
      await new Promise((resolve) => setTimeout(resolve, 50));
      sentBeforeAnswer = [...sent];
    }
    return response;
  });
  expect(await a.sync(server, { pageChanges: 1, fetch: fetching })).toMatchObject({ success: true, pending: 0 });
  expect(sentBeforeAnswer).toEqual([1, 2, 3, 4, 5]);
  await expectWhole(8);
});

test('[S25] a push that overtakes the one before is refused whole, sent again in its turn, and no other is sent early', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(5));
  let tell = (): void => undefined;
  const isThirdAnswered = new Promise<void>((resolve) => (tell = resolve));
  const early: unknown[] = [];
  const { sent, fetching } = numbered(async (number, send) => {
    if (number === 2) await isThirdAnswered;
    const response = await send();
    if (number === 3) {
      early.push(await response.clone().json());
      tell();
    }
    return response;
  });
  const report = await a.sync(server, { pageChanges: 1, fetch: fetching });
  expect(early).toMatchObject([{ error: 'replica_ahead' }]);
  expect(report).toMatchObject({ success: true, pushed: { sent: 5, applied: 5 }, notices: [] });
  // Of the five, the third and the fourth went twice.
  expect(sent).toHaveLength(7);
  await expectWhole(5);
});

test.each([
  ['never leaves', () => Promise.reject(new TypeError('fetch failed'))],
  [
    'is answered, and the answer is lost',
    async (send: () => Promise<Response>) => (await send(), Promise.reject(new TypeError('lost'))),
  ],
  [
    'meets a server that is busy',
    () => Promise.resolve(Response.json({ error: 'unavailable', message: 'busy' }, { status: 503 })),
  ],
  ['is too large', () => Promise.resolve(Response.json({ error: 'too_large', message: 'large' }, { status: 413 }))],
])(
  '[S25] where the push before %s, nothing is lost or doubled of it and of the one that was sent early',
  async (_, fail) => {
    const { server, a } = pair;
    await a.record(server, ...titles(6));
    const { fetching } = numbered((number, send) => (number === 2 ? fail(send) : send()));
    const report = await a.sync(server, { pageChanges: 2, fetch: fetching, wait: () => Promise.resolve() });
    expect(report).toMatchObject({ success: true, pending: 0, notices: [] });
    await expectWhole(6);
  },
);

test('[S25] a push that is sent again after later ones were taken is no sign of a brain that was restored', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(3));
  let tell = (): void => undefined;
  const areTaken = new Promise<void>((resolve) => (tell = resolve));
  const { fetching } = numbered(async (number, send) => {
    // The second is read before these are there, the fourth is one of them.
    if (number === 1) await a.record(server, ...titles(6).slice(3));
    const response = await send();
    if (number === 4) tell();
    if (number !== 2) return response;
    await areTaken;
    throw new TypeError('its answer is lost');
  });
  const report = await a.sync(server, { pageChanges: 1, fetch: fetching, wait: () => Promise.resolve() });
  expect(report).toMatchObject({ success: true, pending: 0, notices: [] });
  await expectWhole(6);
});

test('[S25] a session that ends leaves no push behind', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(3));
  let underWay = 0;
  const { sent, fetching } = numbered(async (number, send) => {
    underWay += 1;
    try {
      if (number === 2) return Response.json({ error: 'unauthorized', message: 'no' }, { status: 401 });
      return await send();
    } finally {
      underWay -= 1;
    }
  });
  const report = await a.sync(server, { pageChanges: 1, fetch: fetching });
  expect(report).toMatchObject({ success: false, reason: { code: 'unauthorized' } });
  expect([2, 3]).toContain(sent.length);
  expect(underWay).toBe(0);
  await a.sync(server);
  await expectWhole(3);
});

test('[S10] [S11] a session that another one on the same brain has overtaken looks again, and takes the brain for no copy', async () => {
  const { server, a } = pair;
  const peer = { endpoint: server.url, workspaceId: server.key.workspaceId };
  await a.record(server, ...titles(2));
  const { replicaId } = await a.session.run('syncState', peer);
  const overtaken = async () => {
    const { fetching } = numbered(async (number, send) => {
      if (number === 1) {
        await a.record(server, { title: `later ${Math.random()}` });
        expect(await a.sync(server)).toMatchObject({ success: true, pending: 0 });
      }
      return send();
    });
    return a.sync(server, { fetch: fetching });
  };
  for (let round = 0; round < 2; round += 1) {
    expect(await overtaken()).toMatchObject({ success: true, pending: 0, notices: [] });
    await a.record(server, { title: `next ${round}` });
  }
  expect(await a.session.run('syncState', peer)).toMatchObject({ replicaId });
  expect(await a.sync(server, { verify: true })).toMatchObject({ notices: [], verification: { isEqual: true } });
});
