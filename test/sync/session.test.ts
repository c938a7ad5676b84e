/** The sync session as a state machine: total, always ending, with every retry counted. No brain, no network. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../lib/core/errors.ts';
import { advance, beginSession } from '../../lib/sync/session.ts';
import type { Effect, Event, Failure, SessionPlan, SessionState } from '../../lib/sync/session-types.ts';
import { backOffMs } from '../../lib/sync/back-off.ts';
import type { SyncState } from '../../lib/brain/sync-contract.ts';
import type { Change } from '../../lib/protocol/wire.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';

const CODES: ErrorCode[] = [
  'unavailable',
  'rate_limited',
  'unauthorized',
  'forked',
  'replica_behind',
  'replica_ahead',
  'too_large',
  'bad_request',
  'unsupported_protocol',
  'disk_full',
];

const failure: fc.Arbitrary<Failure> = fc.record({
  code: fc.constantFrom(...CODES),
  message: fc.constant('no'),
  isTransient: fc.boolean(),
  isSlow: fc.boolean(),
  details: fc.constantFrom<Record<string, unknown>>({}, { seq: 0, chain: '' }, { seq: 'x' }, { bytesMax: 9 }),
});
const PLAN: SessionPlan = {
  mode: 'both',
  verify: false,
  restamp: false,
  projectId: 'p',
  retriesMax: 0,
  pageChanges: 1_000,
};
const plan: fc.Arbitrary<SessionPlan> = fc.record({
  mode: fc.constantFrom('both' as const, 'push' as const, 'pull' as const),
  verify: fc.boolean(),
  restamp: fc.boolean(),
  projectId: fc.constant('p'),
  retriesMax: fc.nat(3),
  pageChanges: fc.constantFrom(1_000, 1),
});

function changeOf(seq: number): Change {
  const entry = { ...plainContent(seq, 'title'), updatedAt: seq };
  return { changeId: idOf(seq, 'cccccccc'), base: null, replicaId: 'r', seq, entry };
}

function outgoing(count: number, hasMore: boolean): Event {
  const changes = Array.from({ length: count }, (_, index) => changeOf(index + 1));
  return { type: 'outgoing', outgoing: { changes, kept: [], scannedSeq: count, headSeq: count, hasMore } };
}

const LOADED = {
  epoch: 'e',
  pushedSeq: 3,
  chain: 'c',
  scannedSeq: 3,
  headSeq: 5,
  cursors: { '': 7 },
  replicaId: 'r',
  pending: 2,
  pendingSince: 1,
  clockOffsetMs: null,
  lastPushAt: null,
  lastPullAt: null,
  lastError: null,
};

/** What may come of an effect: an answer of any kind, or a failure. */
function eventFor(effect: Effect): fc.Arbitrary<Event> {
  const failed = failure.map((each): Event => ({ type: 'failed', failure: each }));
  return fc.oneof({ weight: 3, arbitrary: answerTo(effect) }, { weight: 2, arbitrary: failed });
}

function answerTo(effect: Effect): fc.Arbitrary<Event> {
  const epoch = fc.constantFrom('e', 'other');
  const clockOffsetMs = fc.constantFrom(null, 0, -600_000);
  switch (effect.type) {
    case 'load':
      return fc
        .record({
          protocol: fc.constantFrom(null, 1 as const, 2 as const),
          ahead: fc.constantFrom<SyncState['ahead']>([], [{ changeId: 'a', seq: 1 }]),
        })
        .map((fields) => ({ type: 'loaded', state: { ...LOADED, ...fields }, projectIds: ['p', 'q'] }));
    case 'probe':
      return fc.constantFrom(1 as const, 2 as const).map((protocol) => ({ type: 'probed', protocol, projectIds: [] }));
    case 'readOutgoing':
      return fc.tuple(fc.nat(3), fc.boolean()).map(([count, hasMore]) => outgoing(count, count > 0 && hasMore));
    case 'push':
      return fc
        .record({ outcome: fc.constantFrom('applied' as const, 'refused' as const), epoch, clockOffsetMs })
        .map((told) => ({
          type: 'pushed',
          clockOffsetMs: told.clockOffsetMs,
          answer: {
            accepted: 1,
            serverCursor: 9,
            serverTime: 1,
            epoch: told.epoch,
            results: effect.changes.map(({ changeId }) => ({ changeId, outcome: told.outcome, code: 'clock_ahead' })),
          },
        }));
    case 'pull':
      return fc
        .record({ hasMore: fc.boolean(), cursor: fc.constantFrom(0, 7, 8, 99), epoch, clockOffsetMs })
        .map((told) => ({
          type: 'pulled',
          clockOffsetMs: told.clockOffsetMs,
          answer:
            effect.protocol === 1
              ? { entries: [], serverCursor: told.cursor, hasMore: told.hasMore }
              : {
                  page: { changeIds: [], entryIds: [], rows: [], unfit: [] },
                  received: 0,
                  serverCursor: told.cursor,
                  hasMore: told.hasMore,
                  serverTime: 1,
                  epoch: told.epoch,
                },
        }));
    case 'apply':
      return fc.constant({ type: 'applied', applied: { applied: 1, superseded: 0, duplicate: 0, setAside: 0 } });
    case 'restamp':
      return fc.nat(1).map((count) => ({ type: 'restamped', count }));
    case 'reconcile':
      return epoch.map((told) => ({
        type: 'reconciled',
        result: { differences: 1, requests: 2, isEqual: true, epoch: told, serverCursor: 5 },
      }));
    case 'renew':
      return fc.constant({ type: 'renewed' });
    case 'note':
      return fc.constant({ type: 'noted', pending: 0 });
    default:
      return fc.constant({ type: 'waited' });
  }
}

test('[S16] whatever comes of its effects, a session ends, and waits no more often than it may', () => {
  fc.assert(
    fc.property(plan, fc.gen(), (chosen, gen) => {
      let step = beginSession(chosen);
      let waits = 0;
      let steps = 0;
      for (; step.effect.type !== 'finish'; steps += 1) {
        // A server may have pages without end as long as its cursor moves; here it soon runs out of them.
        const { effect } = step;
        const event = gen(() => (steps < 60 ? eventFor(effect) : lastWordOn(effect)));
        if (effect.type === 'wait') waits += 1;
        if (effect.type === 'wait') expect(effect.attempt).toBeLessThanOrEqual(chosen.retriesMax);
        step = advance(step.state, event);
        expect(steps).toBeLessThan(200);
      }
      expect(step.state.turns).toBeLessThanOrEqual(6);
      expect(waits).toBeLessThanOrEqual(60);
    }),
  );
});

/** Nothing more to push, and a server that has had enough. */
function lastWordOn(effect: Effect): fc.Arbitrary<Event> {
  if (effect.type === 'readOutgoing') return fc.constant(outgoing(0, false));
  if (effect.type !== 'pull') return answerTo(effect);
  return fc.constant({ type: 'failed', failure: { code: 'unavailable', message: 'no', isTransient: false } });
}

test('[S16] an event that does not belong to the phase ends the session with a failure', () => {
  const { state } = beginSession(PLAN);
  const events: Event[] = [
    { type: 'noted', pending: 0 },
    { type: 'renewed' },
    { type: 'waited' },
    { type: 'restamped', count: 1 },
    { type: 'applied', applied: { applied: 1, superseded: 0, duplicate: 0, setAside: 0 } },
    outgoing(1, false),
  ];
  for (const event of events) {
    const step = advance(state, event);
    expect(step.state.tally.failure?.code).toBe('internal');
    expect(step.effect).toMatchObject({ type: 'note', failure: { code: 'internal' } });
    expect(advance(step.state, { type: 'noted', pending: 0 }).effect.type).toBe('finish');
    // A brain that cannot even store how it went ends it as well.
    const unable: Failure = { code: 'disk_full', message: 'no', isTransient: true };
    expect(advance(step.state, { type: 'failed', failure: unable }).effect.type).toBe('finish');
  }
});

test('[S9] a batch that is refused as a whole is halved until the change at fault stands alone', () => {
  let step = beginSession({ ...PLAN, mode: 'push' });
  const poisoned = 6;
  const waiting = Array.from({ length: 10 }, (_, index) => index + 1);
  const setAside: number[] = [];
  const arrived: number[] = [];
  for (let steps = 0; step.effect.type !== 'finish'; steps += 1) {
    expect(steps).toBeLessThan(100);
    step = advance(step.state, answer(step.effect, step.state));
  }
  expect(setAside).toEqual([poisoned]);
  expect(arrived.toSorted((a, b) => a - b)).toEqual(waiting.filter((seq) => seq !== poisoned));

  function answer(effect: Effect, { scannedSeq }: SessionState): Event {
    switch (effect.type) {
      case 'load': {
        const state = { ...LOADED, protocol: 2 as const, scannedSeq: 0, pushedSeq: 0, ahead: [] };
        return { type: 'loaded', state, projectIds: [] };
      }
      case 'readOutgoing': {
        const seqs = waiting.filter((seq) => seq > effect.afterSeq).slice(0, effect.limit);
        const hasMore = (seqs.at(-1) ?? 10) < 10;
        const changes = seqs.map(changeOf);
        return {
          type: 'outgoing',
          outgoing: { changes, kept: [], scannedSeq: seqs.at(-1) ?? scannedSeq, headSeq: 10, hasMore },
        };
      }
      case 'push': {
        const seqs = effect.changes.map(({ seq = 0 }) => seq);
        if (seqs.includes(poisoned)) {
          return { type: 'failed', failure: { code: 'bad_request', message: 'poison', isTransient: false } };
        }
        arrived.push(...seqs);
        const told = { accepted: seqs.length, serverCursor: 1, serverTime: 1, epoch: 'e', results: [] };
        return { type: 'pushed', clockOffsetMs: 0, answer: told };
      }
      case 'note':
        setAside.push(...(effect.refusals ?? []).map(({ seq }) => seq ?? 0));
        return { type: 'noted', pending: 0 };
      default:
        throw new Error(`nobody expected ${effect.type}`);
    }
  }
});

/** A link that lets so many changes through before the time of a call is up, and a server that may hang. */
function overSlowLink(total: number, changesInTime: number, { hangs = false } = {}) {
  let step = beginSession({ ...PLAN, pageChanges: 1_000 });
  const arrived: number[] = [];
  let pulled = 0;
  let late = 0;
  for (let steps = 0; step.effect.type !== 'finish'; steps += 1) {
    expect(steps).toBeLessThan(3_000);
    step = advance(step.state, answer(step.effect));
  }
  return { arrived, pulled, late, failure: step.state.tally.failure };

  function tooLate(): Event {
    late += 1;
    return { type: 'failed', failure: { code: 'unavailable', message: 'late', isTransient: true, isSlow: true } };
  }
  function answer(effect: Effect): Event {
    const told = { serverTime: 1, epoch: 'e' };
    switch (effect.type) {
      case 'load': {
        const state = { ...LOADED, protocol: 2 as const, scannedSeq: 0, pushedSeq: 0, headSeq: total, ahead: [] };
        return { type: 'loaded', state: { ...state, cursors: { '': 0 } }, projectIds: [] };
      }
      case 'readOutgoing': {
        const last = Math.min(total, effect.afterSeq + effect.limit);
        const changes = Array.from({ length: last - effect.afterSeq }, (_, index) =>
          changeOf(effect.afterSeq + index + 1),
        );
        const places = { scannedSeq: last, headSeq: total, hasMore: last < total };
        return { type: 'outgoing', outgoing: { changes, kept: [], ...places } };
      }
      case 'push':
        if (hangs || effect.changes.length > changesInTime) return tooLate();
        arrived.push(...effect.changes.map(({ seq = 0 }) => seq));
        return { type: 'pushed', clockOffsetMs: 0, answer: { ...told, accepted: 1, serverCursor: total, results: [] } };
      case 'pull': {
        const count = Math.min(effect.limit, total - effect.since);
        if (count > changesInTime) return tooLate();
        pulled += count;
        const serverCursor = effect.since + count;
        const page = { changeIds: [], entryIds: [], rows: [], unfit: [] };
        return {
          type: 'pulled',
          clockOffsetMs: 0,
          answer: { ...told, page, received: count, serverCursor, hasMore: serverCursor < total },
        };
      }
      case 'apply':
        return { type: 'applied', applied: { applied: 1, superseded: 0, duplicate: 0, setAside: 0, pending: 0 } };
      case 'note':
        return { type: 'noted', pending: 0 };
      default:
        throw new Error(`nobody expected ${effect.type}`);
    }
  }
}

test('[S26] what does not get through in time is sent and asked for in smaller parts, until all has', () => {
  const { arrived, pulled, late, failure: told } = overSlowLink(2_500, 70);
  expect(told).toBeUndefined();
  expect(arrived).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1));
  expect(pulled).toBe(2_500);
  // Twice each way: from 1,000 to 250 to 63. What was found out is not forgotten.
  expect(late).toBe(4);
});

test('[S26] a server that hangs is not taken for a slow link, and no change for one that is at fault', () => {
  const hung = overSlowLink(2_500, 70, { hangs: true });
  expect(hung).toMatchObject({ arrived: [], pulled: 0, late: 2, failure: { code: 'unavailable' } });
  expect(overSlowLink(1, 0)).toMatchObject({ arrived: [], late: 1, failure: { code: 'unavailable' } });
});

test('[S16] the back-off grows, has a ceiling, and is never at once', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (attempt, chance) => {
        const delayMs = backOffMs(attempt, { minMs: 1_000, maxMs: 300_000 }, () => chance);
        expect(delayMs).toBeGreaterThanOrEqual(500);
        expect(delayMs).toBeLessThanOrEqual(Math.min(300_000, 1_000 * 2 ** Math.min(30, attempt - 1)));
      },
    ),
  );
});
