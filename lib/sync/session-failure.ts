/**
 * What the sync session makes of a failure: a replica that renews itself or goes back, a batch that is halved, another try
 * later, or the end. Pure. Invariant: each of them is counted against a bound.
 */
import type { SyncOutgoing } from '../brain/sync-contract.ts';
import type { ReplicaPosition } from '../protocol/wire.ts';
import { pull } from './session-pull.ts';
import { afterRead, read, start } from './session-push.ts';
import { end, finish, note, SLOW_DIVISOR, type Step, TURNS_MAX, withNotice } from './session-steps.ts';
import type { Effect, Failure, Phase, SessionState } from './session-types.ts';

export function afterFailure(state: SessionState, failure: Failure): Step {
  const { phase } = state;
  const canTurn = state.turns < TURNS_MAX;
  if (phase.name === 'pushing' && canTurn && (failure.code === 'forked' || failure.code === 'replica_behind')) {
    // Another session on this very brain may have pushed what has been written since this one has looked.
    const looking: Phase = { name: 'lookingAgain', code: failure.code };
    return { state: { ...state, turns: state.turns + 1, phase: looking }, effect: { type: 'load' } };
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
  // One alone waits for room like any other failure that passes: it is never set aside for it.
  if (phase.name === 'pushing' && hasRoomForLess(failure) && phase.outgoing.changes.length > 1) {
    return halved(state, phase.outgoing);
  }
  if (isProtocol1Only(failure) && state.protocol === 2 && (phase.name === 'pushing' || phase.name === 'pulling')) {
    return start(withNotice({ ...state, protocol: 1 }, 'The server speaks protocol 1 only.'));
  }
  const smaller = failure.isSlow === true ? withLess(state, failure) : undefined;
  if (smaller !== undefined) return smaller;
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
  // What cannot be stored any more can still be reported, and what went wrong first counts.
  if (phase.name === 'noting' && phase.next === 'finish') {
    return finish({ ...state, tally: { ...state.tally, failure: state.tally.failure ?? failure } });
  }
  return end(state, failure);
}

function isPlace(seq: unknown): seq is number {
  return Number.isSafeInteger(seq) && (seq as number) >= 0;
}

function isChain(chain: unknown): chain is string {
  return typeof chain === 'string' && /^(?:[0-9a-f]{64})?$/.test(chain);
}

/** The brain stands where it stood, and the server knows better: it is another one than the server has met. */
export function renew(state: SessionState, code: keyof typeof RENEWALS): Step {
  return { state: { ...withNotice(state, RENEWALS[code]), phase: { name: 'renewing' } }, effect: { type: 'renew' } };
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
  if (outgoing.changes.length > 1) return halved(state, outgoing);
  return doubted(state, outgoing, failure);
}

/** Whether the server takes anything at all is found out by pushing nothing. */
function doubted(state: SessionState, outgoing: SyncOutgoing, failure: Failure): Step {
  return { state: { ...state, phase: { name: 'doubting', outgoing, failure } }, effect: pushOfNothing(state) };
}

function halved(state: SessionState, { changes }: SyncOutgoing): Step {
  return read({ ...state, batchMax: Math.ceil(changes.length / 2) });
}

/** The server's disk is too full for this push, and not for every push. */
function hasRoomForLess({ code, details }: Failure): boolean {
  const bytesMax = details?.['bytesMax'];
  return code === 'unavailable' && typeof bytesMax === 'number' && bytesMax > 0;
}

/**
 * What does not get through in time is made smaller until it does, and stays so for this session. A batch is so only if
 * the server takes a push of nothing, since what is sent may also have gone to one that hangs; of a page a part has come.
 */
function withLess(state: SessionState, failure: Failure): Step | undefined {
  const { phase } = state;
  if (phase.name === 'pushing' && phase.outgoing.changes.length > 1) return doubted(state, phase.outgoing, failure);
  if (phase.name === 'pulling' && state.pageMax > 1) {
    return pull({ ...state, pageMax: Math.ceil(state.pageMax / SLOW_DIVISOR) });
  }
  return undefined;
}

/** The server takes a push of nothing, so that what it did not take is at fault itself. */
export function afterDoubt(state: SessionState, { outgoing, failure }: Extract<Phase, { name: 'doubting' }>): Step {
  if (failure.isSlow !== true) return setAside(state, outgoing, failure);
  const batchMax = Math.ceil(outgoing.changes.length / SLOW_DIVISOR);
  return read({ ...state, batchMax, batchCeiling: batchMax });
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
