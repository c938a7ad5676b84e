/** What every part of the sync session is made of: a step, its bounds, and the steps that store something or are the last. Pure. */
import type { SyncFailure } from './report.ts';
import type { Contact, Effect, Failure, Next, SessionState } from './session-types.ts';

/** Changes of one push, and of one page of a pull. */
export const PAGE_CHANGES = 1_000;
export const PAGE_CHANGES_PROTOCOL_1 = 200;
/** New replica ids, positions set back, and rounds of restamping that one session may need. */
export const TURNS_MAX = 3;
/** What a link was too slow for is cut to a fourth, and not to a half: finding out takes a call's whole patience each time. */
export const SLOW_DIVISOR = 4;

export interface Step {
  state: SessionState;
  effect: Effect;
}

export function note(state: SessionState, next: Next, contact: Contact): Step {
  return { state: { ...state, phase: { name: 'noting', next } }, effect: { type: 'note', ...contact } };
}

export function withNotice(state: SessionState, notice: string): SessionState {
  const { notices } = state.tally;
  return notices.includes(notice) ? state : { ...state, tally: { ...state.tally, notices: [...notices, notice] } };
}

/** The last thing that is stored is how it went. */
export function end(state: SessionState, failure?: Failure): Step {
  const tally = failure === undefined ? state.tally : { ...state.tally, failure };
  return note({ ...state, tally }, 'finish', { failure: failure === undefined ? null : toReport(failure) });
}

export function finish(state: SessionState): Step {
  return { state: { ...state, phase: { name: 'done' } }, effect: { type: 'finish' } };
}

function toReport({ code, message, hint }: Failure): SyncFailure {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}

export function internal(what: string): Failure {
  return { code: 'internal', message: `The sync session is at fault: ${what}.`, isTransient: false };
}
