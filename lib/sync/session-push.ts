/**
 * The half of the sync session that pushes, batch after batch, and what follows once the brain has stored something. Pure.
 * Invariant: a position is noted only after the server has answered for it.
 */
import type { SyncOutgoing } from '../brain/sync-contract.ts';
import type { PushAnswer1, PushAnswer2 } from '../protocol/wire.ts';
import { outcomeOfPush, positionAfter } from './push-outcome.ts';
import { beginPull, pull, reconcile } from './session-pull.ts';
import {
  end,
  finish,
  internal,
  note,
  PAGE_CHANGES,
  PAGE_CHANGES_PROTOCOL_1,
  type Step,
  TURNS_MAX,
  withNotice,
} from './session-steps.ts';
import type { Next, PushEffect, SessionState, Tally } from './session-types.ts';

export function start(state: SessionState): Step {
  return state.plan.mode === 'pull' ? beginPull(state) : read(state);
}

export function read(state: SessionState): Step {
  if (state.scannedSeq >= state.headSeq) return proceed(state, 'afterPush'); // Nothing was written since.
  const limit = state.protocol === 1 ? Math.min(state.batchMax, PAGE_CHANGES_PROTOCOL_1) : state.batchMax;
  return {
    state: { ...state, phase: { name: 'reading' } },
    effect: { type: 'readOutgoing', afterSeq: state.scannedSeq, limit },
  };
}

export function afterRead(state: SessionState, outgoing: SyncOutgoing): Step {
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

/**
 * What follows the push of `state`, and how the session stands then, if that one is taken. None where it is better to wait:
 * before a server was met, and after a batch that was too large for it.
 */
export function pushAfter(
  state: SessionState,
  outgoing: SyncOutgoing,
): { state: SessionState; effect: PushEffect } | undefined {
  const { phase, protocol, batchMax, plan, tally } = state;
  const isSteady = protocol === 2 && tally.pushed.sent > 0 && batchMax === plan.pageChanges;
  if (!isSteady || phase.name !== 'pushing') return undefined;
  const next = afterRead({ ...state, ...positionAfter(state, phase.outgoing.changes) }, outgoing);
  return next.effect.type === 'push' ? { state: next.state, effect: next.effect } : undefined;
}

export function afterPush(
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
    batchMax: Math.min(state.batchCeiling, state.batchMax * 2),
  };
  const told = { position, refusals, accepted, ...(clockOffsetMs === null ? {} : { clockOffsetMs }) };
  if (!outgoing.hasMore && isOver(next))
    return note(next, 'finish', { ...told, moments: ['push', 'pull'], failure: null });
  return note(next, outgoing.hasMore ? 'read' : 'afterPush', { ...told, moments: ['push'] });
}

/** After the last push: nothing is to be written again, pulled or compared, and one word tells all of that. */
function isOver({ ahead, isLevel, plan }: SessionState): boolean {
  return isLevel && ahead.length === 0 && plan.mode === 'both' && !plan.verify;
}

function withKept(tally: Tally, kept: number): Tally {
  return { ...tally, pushed: { ...tally.pushed, kept: tally.pushed.kept + kept } };
}

export function proceed(state: SessionState, next: Next): Step {
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

export function afterRestamp(state: SessionState, restamped: number): Step {
  const rest = state.ahead.slice(PAGE_CHANGES);
  const tally = { ...state.tally, restamped: state.tally.restamped + restamped };
  // The log has grown by them.
  const next = { ...state, tally, ahead: rest, headSeq: state.headSeq + restamped };
  if (restamped === 0) return proceed({ ...next, ahead: [] }, 'afterPush');
  return read(next);
}
