/** What a sync saves: the pull that a push made needless, and the waiting for a page that could be read meanwhile. */
import { expect, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import { SmError } from '../../lib/core/errors.ts';
import type { SyncOptions } from '../../lib/sync/options.ts';
import { callOf } from '../support/sync-calls.ts';
import type { SyncDevice } from '../support/sync-device.ts';
import { useSyncPair } from '../support/sync-pair.ts';

const pair = useSyncPair();

/** Syncs, and tells what began and ended on the way: operations of the brain and calls of the server. */
async function watched(device: SyncDevice, options: Partial<SyncOptions> = {}) {
  const events: string[] = [];
  const during = async <T>(name: string, work: Promise<T>): Promise<T> => {
    events.push(name);
    try {
      return await work;
    } finally {
      events.push(`/${name}`);
    }
  };
  const brain: Brain = {
    run: (operation, request) => during(operation, (options.brain ?? device.session).run(operation, request)),
    close: () => Promise.resolve(),
  };
  const fetching: typeof fetch = (input, init) => during(callOf(input), (options.fetch ?? fetch)(input, init));
  const report = await device.sync(pair.server, { ...options, brain, fetch: fetching });
  return { report, events, calls: events.filter((event) => ['push', 'pull'].includes(event)) };
}

const titles = (...numbers: number[]) => numbers.map((number) => ({ title: `t${number}` }));

test('[S23] a brain that is level with the server pushes without pulling, page after page, and gets what comes later', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2, 3));
  expect(await watched(a, { pageChanges: 1 })).toMatchObject({
    report: { success: true, pending: 0 },
    calls: ['push', 'push', 'push'],
  });
  await b.record(server, ...titles(4));
  // What a wrote was there before.
  expect((await watched(b)).calls).toEqual(['push', 'pull']);
  expect(await b.titles(server)).toEqual(['t1', 't2', 't3', 't4']);
  await b.record(server, ...titles(5));
  expect((await watched(b)).calls).toEqual(['push']);
  await a.record(server, ...titles(6));
  expect((await watched(a)).calls).toEqual(['push', 'pull']);
  expect(await a.titles(server)).toEqual(['t1', 't2', 't3', 't4', 't5', 't6']);
  expect((await watched(b)).calls).toEqual(['pull']);
  expect(await b.titles(server)).toEqual(['t1', 't2', 't3', 't4', 't5', 't6']);
  for (const device of [a, b]) {
    expect(await device.sync(server, { verify: true })).toMatchObject({ verification: { isEqual: true } });
  }
});

test('[S23] a record of a brain that is level is one call, and how it went is stored once', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(1));
  await a.sync(server);
  await a.record(server, ...titles(2));
  const { events } = await watched(a);
  const begun = events.filter((event) => !event.startsWith('/'));
  expect(begun).toEqual(['syncState', 'syncOutgoing', 'push', 'syncNote']);
  expect(await a.sync(server, { verify: true })).toMatchObject({ pending: 0, verification: { isEqual: true } });
});

test('[S6] the last page of a pull is stored with its cursor and with how the sync went', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2, 3));
  await a.sync(server);
  await b.record(server, ...titles(4));
  await b.sync(server, { mode: 'push' });
  const { events, report } = await watched(b, { mode: 'pull', pageChanges: 2 });
  expect(events.filter((event) => event.startsWith('sync'))).toEqual(['syncState', 'syncApply', 'syncApply']);
  expect(report).toMatchObject({ success: true, pulled: { applied: 3 }, pending: 0 });
  await b.record(server, ...titles(5));
  const state = await b.session.run('syncState', { endpoint: server.url, workspaceId: server.key.workspaceId });
  expect(state).toMatchObject({ pending: 1, lastError: null, protocol: 2, clockOffsetMs: 0 });
  expect(state.lastPullAt).toBeGreaterThan(0);
  expect(state.cursors['']).toBeGreaterThan(0);
  // What is written here and waits is told, too.
  await a.record(server, ...titles(6));
  await a.sync(server);
  expect(await b.sync(server, { mode: 'pull' })).toMatchObject({ pulled: { applied: 1 }, pending: 1 });
});

test('[S23] what another writes between two pushes of one sync is pulled', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2));
  await b.record(server, ...titles(3));
  let pushes = 0;
  const interfering: typeof fetch = async (input, init) => {
    if (callOf(input) === 'push' && ++pushes === 2) await b.sync(server);
    return fetch(input, init);
  };
  expect((await watched(a, { pageChanges: 1, fetch: interfering })).calls).toEqual(['push', 'push', 'pull']);
  expect(await a.titles(server)).toEqual(['t1', 't2', 't3']);
});

test('[S23] a push whose answer was lost is repeated, and then pulls: who wrote meanwhile is not known', async () => {
  const { server, a } = pair;
  await a.record(server, ...titles(1));
  server.setFaults('lost,path=/v1/brain/push,times=1');
  expect((await watched(a)).calls).toEqual(['push', 'push', 'pull']);
});

test('[S24] the next changes are read while a push is at the server, the next page while one is stored', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2, 3, 4, 5));
  const { events } = await watched(a, { pageChanges: 2 });
  const beforeAnswer = events.slice(0, events.indexOf('/push'));
  expect(beforeAnswer.filter((event) => event === 'syncOutgoing')).toHaveLength(2);
  expect(events.filter((event) => event === 'syncOutgoing')).toHaveLength(3);
  const pulled = await watched(b, { pageChanges: 2 });
  const firstStoring = pulled.events.slice(pulled.events.indexOf('syncApply'), pulled.events.indexOf('/syncApply'));
  expect(firstStoring).toContain('pull');
  expect(pulled.calls).toEqual(['pull', 'pull', 'pull']);
  expect(await b.titles(server)).toEqual(['t1', 't2', 't3', 't4', 't5']);
});

test('[S24] a page that cannot be stored ends the sync, and the call for the next one with it', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2, 3));
  await a.sync(server);
  const unable: Brain = {
    run: (operation, request) =>
      operation === 'syncApply'
        ? Promise.reject(new SmError({ code: 'disk_full', message: 'no space' }))
        : b.session.run(operation, request),
    close: () => Promise.resolve(),
  };
  let isAborted = false;
  let pulls = 0;
  /** The second page never comes, unless nobody wants it any more. */
  const endless: typeof fetch = (input, init) => {
    if (callOf(input) !== 'pull' || ++pulls === 1) return fetch(input, init);
    return new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => {
        isAborted = true;
        reject(new DOMException('aborted', 'AbortError'));
      });
    });
  };
  const { report, events } = await watched(b, { pageChanges: 1, brain: unable, fetch: endless });
  expect(report).toMatchObject({ success: false, reason: { code: 'disk_full' } });
  expect(isAborted).toBe(true);
  const isOver = (name: string) =>
    events.filter((event) => event === name).length === events.filter((event) => event === `/${name}`).length;
  expect([...new Set(events.map((event) => event.replace('/', '')))].every(isOver)).toBe(true);
  await b.sync(server);
  expect(await b.titles(server)).toEqual(['t1', 't2', 't3']);
});

test('[S24] a page read ahead that fails is asked for again', async () => {
  const { server, a, b } = pair;
  await a.record(server, ...titles(1, 2, 3));
  await a.sync(server);
  let pulls = 0;
  const failing: typeof fetch = (input, init) =>
    callOf(input) === 'pull' && ++pulls === 2 ? Promise.reject(new TypeError('fetch failed')) : fetch(input, init);
  expect(await b.sync(server, { pageChanges: 1, fetch: failing })).toMatchObject({ success: true });
  expect(pulls).toBe(4);
  expect(await b.titles(server)).toEqual(['t1', 't2', 't3']);
});
