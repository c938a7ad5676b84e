/** The order of pushes of one client, which threads and bodies that come slowly must not turn round. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { PackedBody } from '../../lib/protocol/body.ts';
import { CHAIN_START } from '../../lib/protocol/identity.ts';
import type { PushAnswer2 } from '../../lib/protocol/wire.ts';
import type { Caller, ServerContext } from '../../lib/server/context.ts';
import { listen } from '../../lib/server/listen.ts';
import { beginPush, push } from '../../lib/server/push.ts';
import { Readers } from '../../lib/server/readers.ts';
import type { StorePush, StorePushAnswer } from '../../lib/server/store.ts';
import { Turns } from '../../lib/server/turns.ts';
import { waitUntil } from '../support/host-wait.ts';
import { CLOCK_START_MS, createTestServer } from '../support/server-app.ts';
import { flatChange } from '../support/server-changes.ts';

const CALLER = { workspaceId: 'w', prefix: 'k' } as Caller;
const LARGE_BYTES = 20_000;

let readers: Readers;
beforeAll(async () => {
  readers = new Readers(2);
  // Both are started, since none is idle when the second body comes.
  await waitUntil('two threads that read', async () => {
    await Promise.all(
      [1, 2, 3].map(() => readers.read(bodyOf({ seq: 1, bytes: LARGE_BYTES }), { ...CALLER, ...terms })),
    );
    return readers.threads.ready === 2;
  });
});
afterAll(() => readers.close());
afterEach(() => {
  vi.useRealTimers();
});

const terms = { clientId: undefined, nowMs: CLOCK_START_MS };

interface Sketch {
  seq: number;
  bytes?: number;
  clientId?: string;
  isClaimed?: boolean;
}

/** A push of one change, in the place `seq` of its replica's log, of at least so many bytes. */
function bodyOf({ seq, bytes = 0, clientId = 'r', isClaimed = true }: Sketch): PackedBody {
  const change = flatChange({ number: seq, title: 'a', updatedAt: 5, workspaceId: 'w', replicaId: clientId, seq });
  const replica = isClaimed ? { replica: { seq: seq - 1, chain: CHAIN_START, headSeq: 99 } } : {};
  const request = { protocolVersion: 2, clientId, changes: [change], ...replica, padding: 'x'.repeat(bytes) };
  return { bytes: Buffer.from(JSON.stringify(request)), coding: 'identity' };
}

/** A store that tells in which order it was asked, takes its time, and tells of two pushes of one replica at once. */
function slowStore() {
  const asked: string[] = [];
  const under = new Set<string>();
  const overlaps: string[] = [];
  const store = {
    push: async ({ rows, pusherId, replica }: StorePush): Promise<StorePushAnswer> => {
      const [{ seq, replica_id: replicaId }] = JSON.parse(rows.toString()) as [{ seq: number; replica_id: string }];
      asked.push(`${replicaId} ${seq}`);
      if (replica !== undefined && under.has(pusherId)) overlaps.push(pusherId);
      under.add(pusherId);
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      under.delete(pusherId);
      if (seq % 5 === 4) throw new Error('a fault on purpose');
      return { verdict: 'stored', epoch: 'e', foundCursor: 0, lastCursor: 1, stored: 1, outcomes: ['applied'] };
    },
  };
  const context = { store, nowMs: () => CLOCK_START_MS } as unknown as ServerContext;
  return { asked, overlaps, context };
}

test('[V19] whatever is read sooner, each client’s pushes reach the store in their order, one after the other', async () => {
  const sketch = fc.record({
    clientId: fc.constantFrom('r', 's'),
    bytes: fc.constantFrom(0, LARGE_BYTES, 200_000, 2_000_000),
    isNamed: fc.boolean(),
    isClaimed: fc.boolean(),
    isSpoiled: fc.boolean(),
    turns: fc.nat(2),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(sketch, { maxLength: 10 }), async (sketches) => {
      const { asked, overlaps, context } = slowStore();
      const turns = new Turns();
      const answers = [];
      for (const [index, { clientId, bytes, isNamed, isClaimed, isSpoiled, turns: wait }] of sketches.entries()) {
        const name = isNamed ? clientId : undefined;
        const round = {
          context,
          readers,
          turns,
          caller: CALLER,
          coming: beginPush(turns, `key ${name}`),
          clientId: name,
        };
        const body = bodyOf({ seq: index + 1, bytes, clientId, isClaimed });
        answers.push(push(round, isSpoiled ? { ...body, coding: 'br' } : body).catch((error: unknown) => error));
        for (let turn = 0; turn < wait; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(answers);
      for (const clientId of ['r', 's']) {
        // Of those that name themselves, and tell of their log, in one way; who names itself now in the header and now not is two clients.
        for (const [isNamed, isClaimed] of [
          [true, true],
          [true, false],
          [false, true],
          [false, false],
        ]) {
          const expected = sketches.flatMap((one, index) =>
            one.clientId === clientId && one.isNamed === isNamed && one.isClaimed === isClaimed && !one.isSpoiled
              ? index + 1
              : [],
          );
          const reached = asked.filter((text) => expected.some((seq) => text === `${clientId} ${seq}`));
          expect(reached).toEqual(expected.map((seq) => `${clientId} ${seq}`));
        }
      }
      expect(overlaps).toEqual([]);
      // A name is let go of a moment after its last turn has ended.
      await new Promise((resolve) => setImmediate(resolve));
      expect(turns.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('[V19] a push whose body is smaller waits for the one before it, and one of another client does not', async () => {
  const { asked, context } = slowStore();
  const turns = new Turns();
  const started = [
    { seq: 1, bytes: 4_000_000, clientId: 'r' },
    { seq: 2, clientId: 'r' },
    { seq: 3, clientId: 's' },
  ].map((sketch) => {
    const coming = beginPush(turns, `key ${sketch.clientId}`);
    return push({ context, readers, turns, caller: CALLER, coming, clientId: sketch.clientId }, bodyOf(sketch));
  });
  await Promise.all(started);
  expect(asked).toEqual(['s 3', 'r 1', 'r 2']);
});

test('[V19] who began first and comes whole later is first; who does not come holds up nobody for long', async () => {
  vi.useFakeTimers();
  const turns = new Turns();
  const seen: string[] = [];
  const [slow, quick, other] = ['one', 'one', 'other'].map((name) => beginPush(turns, name));
  const come = (name: string, coming: typeof slow) => coming?.bodyCame().then(() => seen.push(name));
  void come('quick', quick);
  void come('other', other);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(seen).toEqual(['other']);
  await vi.advanceTimersByTimeAsync(1);
  expect(seen).toEqual(['other', 'quick']);
  void come('slow', slow);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen).toEqual(['other', 'quick']);
  quick?.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen).toEqual(['other', 'quick', 'slow']);
  for (const coming of [slow, other]) coming?.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(turns.size).toBe(0);
});

test('[V19] [V12] over a connection: an end of the server while a body is being read finishes that push', async () => {
  const keeper = await createTestServer();
  let looks = 0;
  const nowMs = (): number => {
    looks += 1;
    return CLOCK_START_MS;
  };
  const { app, key } = await createTestServer({ readerThreads: 1, nowMs }, keeper.store);
  const listening = await listen(app, { host: '127.0.0.1', port: 0 });
  const send = async (count: number, from: number): Promise<PushAnswer2> => {
    const changes = Array.from({ length: count }, (_, number) =>
      flatChange({ number: from + number, title: 'x'.repeat(300), updatedAt: 5, workspaceId: key.workspaceId }),
    );
    const answer = await fetch(`${listening.url}/v1/brain/push`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key.apiKey}`, 'X-Client-Id': 'r' },
      body: JSON.stringify({ protocolVersion: 2, clientId: 'r', changes }),
    });
    expect(answer.status).toBe(200);
    return (await answer.json()) as PushAnswer2;
  };
  expect(await send(200, 0)).toMatchObject({ accepted: 200 });
  looks = 0;
  const sent = send(900, 1_000);
  // At the key, and at the body.
  await waitUntil('a body that has come', () => looks >= 2);
  await listening.close();
  await app.close();
  expect(await sent).toMatchObject({ accepted: 900 });
  await keeper.close();
});
