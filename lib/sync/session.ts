/**
 * The sync session: a pure state machine, (state, event) -> (state, effect). It decides what is sent, stored and tried
 * again, and when it is over; carrying out an effect, and telling how it went by an event, is effects.ts's.
 * Invariants: every event in every phase has one outcome; each retry, renewal and halving is counted against a bound;
 * a position is noted only after the server has answered for it, so that a crash anywhere repeats and never skips.
 */
import { afterDoubt, afterFailure, renew } from './session-failure.ts';
import { afterApply, afterPull, afterReconcile } from './session-pull.ts';
import { afterPush, afterRead, afterRestamp, proceed, start } from './session-push.ts';
import { end, internal, type Step } from './session-steps.ts';
import type { Event, SessionPlan, SessionState } from './session-types.ts';

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
    batchCeiling: plan.pageChanges,
    pageMax: plan.pageChanges,
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
  if (phase.name === 'lookingAgain' && event.type === 'loaded') {
    const { pushedSeq, chain, headSeq } = event.state;
    const hasMoved = pushedSeq !== state.pushedSeq || chain !== state.chain || headSeq !== state.headSeq;
    return hasMoved ? afterLoad(calm, event) : renew(calm, phase.code);
  }
  if (phase.name === 'probing' && event.type === 'probed') {
    return start({ ...calm, protocol: event.protocol, knownProjectIds: event.projectIds });
  }
  if (phase.name === 'reading' && event.type === 'outgoing') return afterRead(calm, event.outgoing);
  if (phase.name === 'pushing' && event.type === 'pushed') return afterPush(calm, phase.outgoing, event);
  if (phase.name === 'doubting' && event.type === 'pushed') return afterDoubt(calm, phase);
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
