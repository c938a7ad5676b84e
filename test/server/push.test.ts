/** Pushes of protocol 2 over the wire: all or nothing, verdict by verdict, in rows and in columns. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toColumns } from '../../lib/protocol/columns.ts';
import { CHAIN_START, nextChain } from '../../lib/protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../../lib/protocol/limits.ts';
import type { DigestAnswer, FlatChange, PullAnswer2, PushAnswer2 } from '../../lib/protocol/wire.ts';
import { CLOCK_START_MS, createTestServer, type TestServer } from '../support/server-app.ts';
import { type ChangeSketch, flatChange, nestChange } from '../support/server-changes.ts';
import type { TestKey } from '../support/server-keys.ts';

let server: TestServer;
let key: TestKey;
beforeAll(async () => {
  server = await createTestServer();
});
afterAll(() => server.close());

async function fresh(): Promise<(sketch: Omit<ChangeSketch, 'workspaceId'>) => FlatChange> {
  key = await server.createKey();
  return (sketch) => flatChange({ ...sketch, workspaceId: key.workspaceId });
}

const push = (more: Record<string, unknown>) =>
  server.post<PushAnswer2>('/v1/brain/push', key.apiKey, { protocolVersion: 2, clientId: 'r', ...more });
const pull = (more: Record<string, unknown> = {}) =>
  server.post<PullAnswer2>('/v1/brain/pull', key.apiKey, { protocolVersion: 2, clientId: 'x', since: 0, ...more });

test('[V2] [S8] [S9] bad changes are refused alone, each with its reason; the rest is stored', async () => {
  const change = await fresh();
  const good = change({ number: 1, title: 'good', updatedAt: 5 });
  const { status, body } = await push({
    changes: [
      good,
      change({ number: 2, title: 'future', updatedAt: CLOCK_START_MS + CLOCK_AHEAD_MAX_MS + 1 }),
      change({ number: 3, title: 'barely', updatedAt: CLOCK_START_MS + CLOCK_AHEAD_MAX_MS }),
      { ...change({ number: 4, title: 'x', updatedAt: 5 }), kind: 'nonsense' },
      { ...change({ number: 5, title: 'x', updatedAt: 5 }), workspaceId: 'elsewhere' },
      { ...change({ number: 6, title: 'x', updatedAt: 5 }), changeId: good.changeId },
      null,
      change({ number: 7, title: 'last', updatedAt: 5 }),
    ],
  });
  expect(status).toBe(200);
  expect(body.accepted).toBe(3);
  expect(body.results.map(({ outcome, code }) => code ?? outcome)).toEqual([
    'applied',
    'clock_ahead',
    'applied',
    'bad_request',
    'forbidden',
    'change_id_reused',
    'bad_request',
    'applied',
  ]);
  expect((await pull()).body.changes?.map(({ title }) => title)).toEqual(['good', 'barely', 'last']);
});

test('[V2] [S7] a push that is sent again changes nothing', async () => {
  const change = await fresh();
  const changes = [1, 2].map((number) => change({ number, title: 'a', updatedAt: 5, seq: number }));
  const replica = { seq: 0, chain: CHAIN_START, headSeq: 2 };
  const first = await push({ changes, replica });
  const again = await push({ changes, replica });
  expect(again.body.results.map(({ outcome }) => outcome)).toEqual(['duplicate', 'duplicate']);
  expect(again.body).toMatchObject({ serverCursor: first.body.serverCursor, replica: first.body.replica, accepted: 2 });
});

test('[V2] after an error nothing was stored', async () => {
  const change = await fresh();
  const changes = [change({ number: 1, title: 'a', updatedAt: 5, seq: 1 })];
  for (const [replica, code] of [
    [{ seq: 5, chain: 'f'.repeat(64), headSeq: 9 }, 'replica_ahead'],
    [{ seq: 0, chain: 'f'.repeat(64), headSeq: 9 }, 'forked'],
  ] as const) {
    expect(await push({ changes, replica })).toMatchObject({ status: 409, body: { error: code } });
  }
  expect(await push({ changes, columns: { count: [0] } })).toMatchObject({ status: 400 });
  expect(await server.store.lastCursor(key.workspaceId)).toBe(0);
});

test('[S10] refused changes take their place in the rolling hash', async () => {
  const change = await fresh();
  const changes = [
    change({ number: 1, title: 'a', updatedAt: 5, seq: 3 }),
    { ...change({ number: 2, title: 'a', updatedAt: 5, seq: 4 }), kind: 'nonsense' },
  ];
  const chain = changes.reduce((rolled, { seq = 0, changeId }) => nextChain(rolled, { seq, changeId }), CHAIN_START);
  const { body } = await push({ changes, replica: { seq: 0, chain: CHAIN_START, headSeq: 4 } });
  expect(body.replica).toEqual({ seq: 4, chain });
});

test('[S20] columns are stored as rows are, and list only what was not applied', async () => {
  const change = await fresh();
  const sketches = [1, 2, 3].map((number) => ({ number, title: `t${number}`, updatedAt: number, seq: number }));
  const changes = sketches.map(change);
  const columns = toColumns(changes.map(nestChange), () => false);
  expect((await push({ columns })).body).toMatchObject({ accepted: 3, results: [] });
  const sent = changes.map(({ seq: _, ...rest }) => rest);
  expect((await pull()).body.changes).toEqual(sent);
  expect((await push({ columns })).body.results.map(({ outcome }) => outcome)).toEqual(sent.map(() => 'duplicate'));
});

test('[V8] a value that stands for a thousand is bounded as if it were a thousand', async () => {
  const change = await fresh();
  const [one] = [change({ number: 1, title: 'a', updatedAt: 5 })];
  const columns = { ...toColumns([nestChange(one)], () => false), count: [1_000], summary: ['x'.repeat(60_000)] };
  expect(await push({ columns })).toMatchObject({ status: 413, body: { error: 'too_large' } });
});

test('[S13] parts of a digest make up their range exactly, whatever the range', async () => {
  const change = await fresh();
  await push({ changes: [1, 2, 3, 4, 5].map((number) => change({ number, title: 'a', updatedAt: 5 })) });
  const { body } = await server.post<DigestAnswer>('/v1/brain/digest', key.apiKey, {
    protocolVersion: 2,
    ranges: [
      { from: '', to: '01980c2e-0003' },
      { from: '01980c2e-0003', to: 'f' },
      { from: 'f', to: null },
    ],
    parts: 2,
    stampsMax: 1,
  });
  expect(body.ranges.map(({ from, to, count }) => [from.slice(0, 13), to?.slice(0, 13), count])).toEqual([
    ['', '01980c2e-0002', 1],
    ['01980c2e-0002', '01980c2e-0003', 1],
    ['01980c2e-0003', '01980c2e-0005', 2],
    ['01980c2e-0005', 'f', 1],
    ['f', undefined, 0],
  ]);
  expect(body.ranges.map(({ stamps }) => stamps?.length)).toEqual([1, 1, undefined, 1, 0]);
  const overlapping = {
    protocolVersion: 2,
    ranges: [
      { from: '', to: 'b' },
      { from: 'a', to: null },
    ],
  };
  expect(await server.post('/v1/brain/digest', key.apiKey, overlapping)).toMatchObject({ status: 400 });
});
