/**
 * The half of the sync session that pulls: page after page, each stored with its cursor, and the comparison with a server
 * whose history is another. Pure. Invariant: a cursor moves forward only, and a server whose cursor does not move is left.
 */
import type { SyncApplied, SyncPosition } from '../brain/sync-contract.ts';
import { counted } from '../core/counted.ts';
import type { PullAnswer1 } from '../protocol/wire.ts';
import { end, finish, note, PAGE_CHANGES_PROTOCOL_1, type Step, TURNS_MAX, withNotice } from './session-steps.ts';
import {
  type Contact,
  type Failure,
  type Page,
  type Phase,
  type PulledPage,
  type Reconciled,
  type SessionState,
  WHOLE_WORKSPACE,
} from './session-types.ts';

export function beginPull(state: SessionState): Step {
  if (state.isLevel) return afterLastPage(state, state.cursors[WHOLE_WORKSPACE] ?? 0);
  const projects = [...new Set([state.plan.projectId, ...state.knownProjectIds])];
  return pull({ ...state, toPull: state.protocol === 1 ? projects : [WHOLE_WORKSPACE] });
}

export function pull(state: SessionState): Step {
  const [projectId = WHOLE_WORKSPACE] = state.toPull;
  const since = state.cursors[projectId] ?? 0;
  const { pushedSeq: seq, chain, pageMax } = state;
  const limit = state.protocol === 1 ? Math.min(pageMax, PAGE_CHANGES_PROTOCOL_1) : pageMax;
  return {
    state: { ...state, phase: { name: 'pulling' } },
    effect: { type: 'pull', protocol: state.protocol ?? 2, since, limit, projectId, replica: { seq, chain } },
  };
}

export function afterPull(
  state: SessionState,
  { answer, clockOffsetMs }: { answer: PullAnswer1 | PulledPage; clockOffsetMs: number | null },
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
  const { page, received } = answer;
  if (answer.serverCursor < since || (answer.hasMore && answer.serverCursor <= since)) {
    // The same history, and yet less of it: the server was set back without being told.
    if (answer.serverCursor < since) return reconcile(next, 'epoch', epoch);
    return end(next, standingStill());
  }
  const first = state.epoch === null ? { ...next, epoch } : next;
  // Nothing to merge: the cursor is stored with how it went.
  if (received === 0 && !answer.hasMore) return afterLastPage(first, answer.serverCursor);
  const cursor = { projectId, value: answer.serverCursor, epoch };
  return apply(first, { page, cursor }, { hasMore: answer.hasMore, cursor: answer.serverCursor, received });
}

/** Entries are checked by the brain; until then they may be anything. */
function timeOf(entry: unknown): number {
  const { updatedAt } = (typeof entry === 'object' && entry !== null ? entry : {}) as { updatedAt?: unknown };
  return typeof updatedAt === 'number' && Number.isSafeInteger(updatedAt) ? updatedAt : 0;
}

type Applying = Omit<Extract<Phase, { name: 'applying' }>, 'name'>;

function apply(state: SessionState, page: Page, told: Omit<Applying, 'isLast'>): Step {
  // Nothing is to follow a workspace's last page: one transaction for it and for how it went.
  const isLast = state.protocol === 2 && !told.hasMore && !state.plan.verify;
  return {
    state: { ...state, phase: { name: 'applying', ...told, isLast } },
    effect: { type: 'apply', page, ...(isLast ? { contact: { ...contactOf(state), failure: null } } : {}) },
  };
}

export function afterApply(state: SessionState, phase: Applying, applied: SyncApplied): Step {
  const tally = structuredClone(state.tally);
  tally.pulled.received += phase.received;
  for (const key of ['applied', 'superseded', 'duplicate', 'setAside'] as const) tally.pulled[key] += applied[key];
  const [projectId = WHOLE_WORKSPACE, ...others] = state.toPull;
  const next = { ...state, tally, cursors: { ...state.cursors, [projectId]: phase.cursor } };
  if (phase.isLast) return finish({ ...next, pending: applied.pending ?? 0 });
  if (phase.hasMore) return pull(next);
  if (others.length > 0) return pull({ ...next, toPull: others });
  return afterLastPage(next, phase.cursor);
}

/** Everything is pulled; what is left is to store that. */
function afterLastPage(state: SessionState, cursor: number): Step {
  const [projectId = WHOLE_WORKSPACE] = state.toPull;
  const isStored = state.cursors[projectId] === cursor;
  const next = { ...state, cursors: { ...state.cursors, [projectId]: cursor } };
  const contact = contactOf(state, isStored ? {} : { cursors: next.cursors });
  if (state.plan.verify) return note(next, 'afterPull', contact);
  return note(next, 'finish', { ...contact, failure: null }); // Nothing is to follow: one word for both.
}

/** What a pull has shown of the server. */
function contactOf(state: SessionState, moved: Partial<SyncPosition> = {}): Contact {
  const { clockOffsetMs } = state.tally;
  return {
    position: { protocol: state.protocol ?? 2, epoch: state.epoch, ...moved },
    moments: ['pull'],
    ...(clockOffsetMs === null ? {} : { clockOffsetMs }),
  };
}

export function reconcile(state: SessionState, reason: 'verify' | 'epoch', epoch: string | null): Step {
  if (reason === 'epoch' && state.turns >= TURNS_MAX) return end(state, restless('the history of the server changes'));
  return {
    state: { ...state, turns: state.turns + 1, phase: { name: 'reconciling', reason, epoch } },
    effect: { type: 'reconcile' },
  };
}

export function afterReconcile(
  state: SessionState,
  { reason }: { reason: 'verify' | 'epoch' },
  result: Reconciled,
): Step {
  const { isEqual, differences, requests } = result;
  if (reason === 'verify') {
    return end({ ...state, tally: { ...state.tally, verification: { isEqual, differences, requests } } });
  }
  const cursors = { [WHOLE_WORKSPACE]: result.serverCursor };
  const told = withNotice(
    { ...state, epoch: result.epoch, cursors },
    `The server was restored or replaced; ${counted(differences, 'entry', 'entries')} differed and ${differences === 1 ? 'was' : 'were'} brought together.`,
  );
  return note(told, 'pull', { position: { epoch: result.epoch, cursors } });
}

function standingStill(): Failure {
  return {
    code: 'unavailable',
    message: 'The server says that there is more, but its cursor does not move.',
    hint: 'It may be another program, or broken; ask its administrator.',
    isTransient: false,
  };
}

function restless(what: string): Failure {
  return { code: 'unavailable', message: `The sync did not settle: ${what} again and again.`, isTransient: true };
}
