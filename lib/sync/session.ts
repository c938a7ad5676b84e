/**
 * The sync session: a pure state machine, (state, event) -> (state, effect). It decides what is sent, stored and tried
 * again, and when it is over; carrying out an effect, and telling how it went by an event, is sync-once.ts's.
 * Invariants: every event in every phase has one outcome; each retry, renewal and halving is counted against a bound;
 * a position is noted only after the server has answered for it, so that a crash anywhere repeats and never skips.
 */
import type { SyncApplied, SyncOutgoing } from '../brain/sync-contract.ts';
import type { PullAnswer1, PullAnswer2, PushAnswer1, PushAnswer2, ReplicaPosition } from '../protocol/wire.ts';
import { outcomeOfPush } from './push-outcome.ts';
import type { SyncFailure } from './report.ts';
import {
  type Effect,
  type Event,
  type Failure,
  type Next,
  type Page,
  type Phase,
  type Reconciled,
  type SessionPlan,
  type SessionState,
  type Tally,
  WHOLE_WORKSPACE,
} from './session-types.ts';

/** Changes of one push, and of one page of a pull. */
export const PAGE_CHANGES = 1_000;
const PAGE_CHANGES_PROTOCOL_1 = 200;
/** New replica ids, positions set back, and rounds of restamping that one session may need. */
const TURNS_MAX = 3;

export interface Step {
  state: SessionState;
  effect: Effect;
}

export function beginSession(plan: SessionPlan): Step {
  const state: SessionState = {
    plan,
    phase: { name: 'loading' },
    protocol: null,
    epoch: null,
    pushedSeq: 0,
    chain: '',
    scannedSeq: 0,
    headSeq: 0,
    cursors: {},
    isLevel: false,
    toPull: [],
    knownProjectIds: [],
    batchMax: plan.pageChanges,
    ahead: [],
    storedOffsetMs: 0,
    pending: 0,
    attempts: 0,
    turns: 0,
    tally: {
      pushed: { sent: 0, applied: 0, superseded: 0, duplicate: 0, refused: 0, kept: 0 },
      pulled: { received: 0, applied: 0, superseded: 0, duplicate: 0, setAside: 0 },
      restamped: 0,
      clockOffsetMs: null,
      notices: [],
    },
  };
  return { state, effect: { type: 'load' } };
}

/** Total: an event that does not belong to the phase ends the session with a failure, never with a throw. */
export function advance(state: SessionState, event: Event): Step {
  if (event.type === 'failed') return afterFailure(state, event.failure);
  const { phase } = state;
  if (phase.name === 'waiting' && event.type === 'waited') {
    return { state: { ...state, phase: phase.resume }, effect: phase.retry };
  }
  const calm = { ...state, attempts: 0 };
  if (phase.name === 'loading' && event.type === 'loaded') return afterLoad(calm, event);
  if (phase.name === 'probing' && event.type === 'probed') {
    return start({ ...calm, protocol: event.protocol, knownProjectIds: event.projectIds });
  }
  if (phase.name === 'reading' && event.type === 'outgoing') return afterRead(calm, event.outgoing);
  if (phase.name === 'pushing' && event.type === 'pushed') return afterPush(calm, phase.outgoing, event);
  if (phase.name === 'doubting' && event.type === 'pushed') return setAside(calm, phase.outgoing, phase.failure);
  if (phase.name === 'noting' && event.type === 'noted')
    return proceed({ ...calm, pending: event.pending }, phase.next);
  if (phase.name === 'pulling' && event.type === 'pulled') return afterPull(calm, event);
  if (phase.name === 'applying' && event.type === 'applied') return afterApply(calm, phase, event.applied);
  if (phase.name === 'restamping' && event.type === 'restamped') return afterRestamp(calm, event.count);
  if (phase.name === 'renewing' && event.type === 'renewed')
    return { state: { ...calm, phase: { name: 'loading' } }, effect: { type: 'load' } };
  if (phase.name === 'reconciling' && event.type === 'reconciled') return afterReconcile(calm, phase, event.result);
  return end(state, internal(`the event ${event.type} does not belong to the phase ${phase.name}`));
}

function afterLoad(state: SessionState, { state: loaded, projectIds }: Extract<Event, { type: 'loaded' }>): Step {
  const { epoch, protocol, pushedSeq, chain, scannedSeq, headSeq, cursors, ahead } = loaded;
  const next: SessionState = {
    ...state,
    epoch,
    protocol,
    pushedSeq,
    chain,
    scannedSeq,
    headSeq,
    cursors,
    // Also what an earlier session was told and did not live to mend.
    ahead,
    storedOffsetMs: loaded.clockOffsetMs ?? 0,
    knownProjectIds: projectIds,
  };
  // A server of protocol 1 is asked each time: it may have been replaced by a newer one.
  if (protocol !== 2) return { state: { ...next, phase: { name: 'probing' } }, effect: { type: 'probe' } };
  return start(next);
}

function start(state: SessionState): Step {
  return state.plan.mode === 'pull' ? beginPull(state) : read(state);
}

function read(state: SessionState): Step {
  if (state.scannedSeq >= state.headSeq) return proceed(state, 'afterPush'); // Nothing was written since.
  const limit = state.protocol === 1 ? Math.min(state.batchMax, PAGE_CHANGES_PROTOCOL_1) : state.batchMax;
  return {
    state: { ...state, phase: { name: 'reading' } },
    effect: { type: 'readOutgoing', afterSeq: state.scannedSeq, limit },
  };
}

function afterRead(state: SessionState, outgoing: SyncOutgoing): Step {
  const { changes, kept, scannedSeq, headSeq, hasMore } = outgoing;
  if (changes.length === 0) {
    const next = { ...state, scannedSeq, headSeq, tally: withKept(state.tally, kept.length) };
    if (scannedSeq === state.scannedSeq) return proceed(next, 'afterPush');
    return note(next, hasMore ? 'read' : 'afterPush', { position: { scannedSeq }, refusals: kept });
  }
  const { pushedSeq: seq, chain } = state;
  return {
    state: { ...state, headSeq, phase: { name: 'pushing', outgoing } },
    effect: { type: 'push', protocol: state.protocol ?? 2, changes, replica: { seq, chain, headSeq } },
  };
}

function afterPush(
  state: SessionState,
  outgoing: SyncOutgoing,
  { answer, clockOffsetMs }: { answer: PushAnswer1 | PushAnswer2; clockOffsetMs: number | null },
): Step {
  const { pushed, position, refusals, accepted, ahead, isLevel } = outcomeOfPush(state, outgoing, answer);
  const next: SessionState = {
    ...state,
    ...position,
    isLevel,
    tally: { ...state.tally, pushed, clockOffsetMs: clockOffsetMs ?? state.tally.clockOffsetMs },
    ahead: [...state.ahead, ...ahead],
    // After a halving the batches grow again.
    batchMax: Math.min(state.plan.pageChanges, state.batchMax * 2),
  };
  const told = { position, refusals, accepted, ...(clockOffsetMs === null ? {} : { clockOffsetMs }) };
  if (!outgoing.hasMore && isOver(next)) return note(next, 'finish', { ...told, moments: ['push', 'pull'], failure: null });
  return note(next, outgoing.hasMore ? 'read' : 'afterPush', { ...told, moments: ['push'] });
}

/** After the last push: nothing is to be written again, pulled or compared, and one word tells all of that. */
function isOver({ ahead, isLevel, plan }: SessionState): boolean {
  return isLevel && ahead.length === 0 && plan.mode === 'both' && !plan.verify;
}

function withKept(tally: Tally, kept: number): Tally {
  return { ...tally, pushed: { ...tally.pushed, kept: tally.pushed.kept + kept } };
}

function proceed(state: SessionState, next: Next): Step {
  switch (next) {
    case 'read':
      return read(state);
    case 'afterPush':
      if (state.ahead.length > 0 && state.turns < TURNS_MAX) {
        const { clockOffsetMs } = state.tally;
        return {
          state: { ...state, turns: state.turns + 1, phase: { name: 'restamping' } },
          effect: {
            type: 'restamp',
            changes: state.ahead.slice(0, PAGE_CHANGES),
            clockOffsetMs: clockOffsetMs ?? state.storedOffsetMs,
            isForced: state.plan.restamp,
          },
        };
      }
      return state.plan.mode === 'push' ? proceed(state, 'afterPull') : beginPull(state);
    case 'pull':
      return pull(state);
    case 'afterPull':
      if (state.plan.verify && state.protocol === 2) return reconcile(state, 'verify', null);
      return end(state.plan.verify ? withNotice(state, NO_VERIFICATION) : state);
    case 'finish':
      return finish(state);
    default:
      return end(state, internal(`there is no step ${String(next satisfies never)}`));
  }
}

const NO_VERIFICATION = 'The server speaks protocol 1 only, which has no way to compare what both sides hold.';

function afterRestamp(state: SessionState, restamped: number): Step {
  const rest = state.ahead.slice(PAGE_CHANGES);
  const tally = { ...state.tally, restamped: state.tally.restamped + restamped };
  // The log has grown by them.
  const next = { ...state, tally, ahead: rest, headSeq: state.headSeq + restamped };
  if (restamped === 0) return proceed({ ...next, ahead: [] }, 'afterPush');
  return read(next);
}

function beginPull(state: SessionState): Step {
  if (state.isLevel) return afterLastPage(state, state.cursors[WHOLE_WORKSPACE] ?? 0);
  const projects = [...new Set([state.plan.projectId, ...state.knownProjectIds])];
  return pull({ ...state, toPull: state.protocol === 1 ? projects : [WHOLE_WORKSPACE] });
}

function pull(state: SessionState): Step {
  const [projectId = WHOLE_WORKSPACE] = state.toPull;
  const since = state.cursors[projectId] ?? 0;
  const { pushedSeq: seq, chain } = state;
  return {
    state: { ...state, phase: { name: 'pulling' } },
    effect:
      state.protocol === 1
        ? { type: 'pull', protocol: 1, since, limit: PAGE_CHANGES_PROTOCOL_1, projectId, replica: { seq, chain } }
        : { type: 'pull', protocol: 2, since, limit: state.plan.pageChanges, projectId, replica: { seq, chain } },
  };
}

function afterPull(
  state: SessionState,
  { answer, clockOffsetMs }: { answer: PullAnswer1 | PullAnswer2; clockOffsetMs: number | null },
): Step {
  const [projectId = WHOLE_WORKSPACE] = state.toPull;
  const since = state.cursors[projectId] ?? 0;
  const tally = { ...state.tally, clockOffsetMs: clockOffsetMs ?? state.tally.clockOffsetMs };
  const next = { ...state, tally };
  const epoch = 'epoch' in answer ? answer.epoch : null;
  if (epoch !== null && state.epoch !== null && epoch !== state.epoch) return reconcile(next, 'epoch', epoch);
  if ('entries' in answer) {
    const newest = Math.max(0, ...answer.entries.map(timeOf));
    const value = Math.max(since, newest, answer.serverCursor);
    if (answer.hasMore && value <= since) return end(next, standingStill());
    const page: Page = { entries: answer.entries, cursor: { projectId, value, epoch: null } };
    return apply(next, page, { hasMore: answer.hasMore, cursor: value, received: answer.entries.length });
  }
  const received = answer.changes?.length ?? answer.columns?.count[0] ?? 0;
  if (answer.serverCursor < since || (answer.hasMore && answer.serverCursor <= since)) {
    // The same history, and yet less of it: the server was set back without being told.
    if (answer.serverCursor < since) return reconcile(next, 'epoch', epoch);
    return end(next, standingStill());
  }
  const first = state.epoch === null ? { ...next, epoch } : next;
  // Nothing to merge: the cursor is stored with how it went.
  if (received === 0 && !answer.hasMore) return afterLastPage(first, answer.serverCursor);
  const page: Page = {
    ...(answer.columns === undefined ? { changes: answer.changes ?? [] } : { columns: answer.columns }),
    cursor: { projectId, value: answer.serverCursor, epoch },
  };
  return apply(first, page, { hasMore: answer.hasMore, cursor: answer.serverCursor, received });
}

/** Entries are checked by the brain; until then they may be anything. */
function timeOf(entry: unknown): number {
  const { updatedAt } = (typeof entry === 'object' && entry !== null ? entry : {}) as { updatedAt?: unknown };
  return typeof updatedAt === 'number' && Number.isSafeInteger(updatedAt) ? updatedAt : 0;
}

function apply(state: SessionState, page: Page, told: { hasMore: boolean; cursor: number; received: number }): Step {
  return { state: { ...state, phase: { name: 'applying', ...told } }, effect: { type: 'apply', page } };
}

function afterApply(
  state: SessionState,
  phase: { hasMore: boolean; cursor: number; received: number },
  applied: SyncApplied,
): Step {
  const tally = structuredClone(state.tally);
  tally.pulled.received += phase.received;
  for (const key of ['applied', 'superseded', 'duplicate', 'setAside'] as const) tally.pulled[key] += applied[key];
  const [projectId = WHOLE_WORKSPACE, ...others] = state.toPull;
  const next = { ...state, tally, cursors: { ...state.cursors, [projectId]: phase.cursor } };
  if (phase.hasMore) return pull(next);
  if (others.length > 0) return pull({ ...next, toPull: others });
  return afterLastPage(next, phase.cursor);
}

/** Everything is pulled; what is left is to store that. */
function afterLastPage(state: SessionState, cursor: number): Step {
  const [projectId = WHOLE_WORKSPACE] = state.toPull;
  const isStored = state.cursors[projectId] === cursor;
  const cursors = { ...state.cursors, [projectId]: cursor };
  const { clockOffsetMs } = state.tally;
  const told = {
    position: { protocol: state.protocol ?? 2, epoch: state.epoch, ...(isStored ? {} : { cursors }) },
    moments: ['pull' as const],
    ...(clockOffsetMs === null ? {} : { clockOffsetMs }),
  };
  const next = { ...state, cursors };
  if (state.plan.verify) return note(next, 'afterPull', told);
  return note(next, 'finish', { ...told, failure: null }); // Nothing is to follow: one word for both.
}

function reconcile(state: SessionState, reason: 'verify' | 'epoch', epoch: string | null): Step {
  if (reason === 'epoch' && state.turns >= TURNS_MAX) return end(state, restless('the history of the server changes'));
  return {
    state: { ...state, turns: state.turns + 1, phase: { name: 'reconciling', reason, epoch } },
    effect: { type: 'reconcile' },
  };
}

function afterReconcile(state: SessionState, { reason }: { reason: 'verify' | 'epoch' }, result: Reconciled): Step {
  const { isEqual, differences, requests } = result;
  if (reason === 'verify') {
    return end({ ...state, tally: { ...state.tally, verification: { isEqual, differences, requests } } });
  }
  const cursors = { [WHOLE_WORKSPACE]: result.serverCursor };
  const told = withNotice(
    { ...state, epoch: result.epoch, cursors },
    `The server was restored or replaced; ${differences} ${differences === 1 ? 'entry' : 'entries'} differed and ${differences === 1 ? 'was' : 'were'} brought together.`,
  );
  return note(told, 'pull', { position: { epoch: result.epoch, cursors } });
}

function afterFailure(state: SessionState, failure: Failure): Step {
  const { phase } = state;
  const canTurn = state.turns < TURNS_MAX;
  if (phase.name === 'pushing' && canTurn && (failure.code === 'forked' || failure.code === 'replica_behind')) {
    const told = withNotice({ ...state, turns: state.turns + 1 }, RENEWALS[failure.code]);
    return { state: { ...told, phase: { name: 'renewing' } }, effect: { type: 'renew' } };
  }
  if (phase.name === 'pushing' && canTurn && failure.code === 'replica_ahead') {
    const { seq, chain } = (failure.details ?? {}) as Partial<ReplicaPosition>;
    if (isPlace(seq) && isChain(chain) && seq < state.pushedSeq) {
      const position = { pushedSeq: seq, chain, scannedSeq: seq };
      const told = withNotice(
        { ...state, ...position, turns: state.turns + 1 },
        'The server has lost changes that this brain had pushed; they were pushed again.',
      );
      return note(told, 'read', { position });
    }
  }
  if (phase.name === 'pushing' && (failure.code === 'too_large' || failure.code === 'bad_request')) {
    return afterRefusedBatch(state, phase.outgoing, failure);
  }
  if (isProtocol1Only(failure) && state.protocol === 2 && (phase.name === 'pushing' || phase.name === 'pulling')) {
    return start(withNotice({ ...state, protocol: 1 }, 'The server speaks protocol 1 only.'));
  }
  if (failure.isTransient && state.attempts < state.plan.retriesMax && isRepeatable(phase)) {
    const attempt = state.attempts + 1;
    const retry = effectOf(state);
    return {
      state: { ...state, attempts: attempt, phase: { name: 'waiting', retry, resume: phase } },
      effect: {
        type: 'wait',
        attempt,
        ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
      },
    };
  }
  if (phase.name === 'noting' && phase.next === 'finish') return finish(state);
  return end(state, failure);
}

function isPlace(seq: unknown): seq is number {
  return Number.isSafeInteger(seq) && (seq as number) >= 0;
}

function isChain(chain: unknown): chain is string {
  return typeof chain === 'string' && /^(?:[0-9a-f]{64})?$/.test(chain);
}

const RENEWALS = {
  forked:
    'This brain was copied: another one has pushed under the same replica id. It now has an id of its own, and both survive.',
  replica_behind:
    'This brain was restored from a backup: the server knows more of it. It now has a new replica id and gets everything.',
} as const;

/**
 * A batch that was refused as a whole is halved until the one that is at fault stands alone. Before that is set aside the
 * server must take a push of nothing: one that refuses everything, for a while, must not empty the queue.
 */
function afterRefusedBatch(state: SessionState, outgoing: SyncOutgoing, failure: Failure): Step {
  if (outgoing.changes.length > 1) return read({ ...state, batchMax: Math.ceil(outgoing.changes.length / 2) });
  return { state: { ...state, phase: { name: 'doubting', outgoing, failure } }, effect: pushOfNothing(state) };
}

function pushOfNothing({ protocol }: SessionState): Effect {
  return { type: 'push', protocol: protocol ?? 2, changes: [] };
}

function setAside(state: SessionState, outgoing: SyncOutgoing, failure: Failure): Step {
  const [only] = outgoing.changes;
  if (only === undefined) return end(state, failure);
  const { seq = state.scannedSeq, changeId, entry } = only;
  const tally = structuredClone(state.tally);
  tally.pushed.sent += 1;
  tally.pushed.refused += 1;
  return note({ ...state, tally, scannedSeq: seq }, 'read', {
    position: { scannedSeq: seq },
    refusals: [
      { direction: 'push', changeId, entryId: entry.entryId, seq, code: failure.code, message: failure.message },
    ],
  });
}

function isProtocol1Only({ code }: Failure): boolean {
  return code === 'unsupported_protocol';
}

function isRepeatable(phase: Phase): boolean {
  return ['probing', 'pushing', 'doubting', 'pulling', 'reconciling'].includes(phase.name);
}

/** What the phase was waiting for, to be done again. */
function effectOf(state: SessionState): Effect {
  const { phase } = state;
  if (phase.name === 'probing') return { type: 'probe' };
  if (phase.name === 'pushing') return afterRead(state, phase.outgoing).effect;
  if (phase.name === 'doubting') return pushOfNothing(state);
  if (phase.name === 'reconciling') return { type: 'reconcile' };
  return pull(state).effect;
}

function note(state: SessionState, next: Next, what: Omit<Extract<Effect, { type: 'note' }>, 'type'>): Step {
  return { state: { ...state, phase: { name: 'noting', next } }, effect: { type: 'note', ...what } };
}

function withNotice(state: SessionState, notice: string): SessionState {
  const { notices } = state.tally;
  return notices.includes(notice) ? state : { ...state, tally: { ...state.tally, notices: [...notices, notice] } };
}

/** The last thing that is stored is how it went. */
function end(state: SessionState, failure?: Failure): Step {
  const tally = failure === undefined ? state.tally : { ...state.tally, failure };
  return note({ ...state, tally }, 'finish', { failure: failure === undefined ? null : toReport(failure) });
}

function finish(state: SessionState): Step {
  return { state: { ...state, phase: { name: 'done' } }, effect: { type: 'finish' } };
}

function toReport({ code, message, hint }: Failure): SyncFailure {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}

function internal(what: string): Failure {
  return { code: 'internal', message: `The sync session is at fault: ${what}.`, isTransient: false };
}

function standingStill(): Failure {
  return {
    code: 'unavailable',
    message: 'The server says that there is more, but its cursor does not move.',
    hint: 'It may be of another make, or broken; its administrator can tell.',
    isTransient: false,
  };
}

function restless(what: string): Failure {
  return { code: 'unavailable', message: `The sync did not come to rest: ${what} again and again.`, isTransient: true };
}
