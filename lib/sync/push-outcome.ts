/** What the answer to a push says of each change that was sent, and where the brain stands with the server after it. Pure. */
import type { SyncOutgoing, SyncPosition, SyncRefusal } from '../brain/sync-contract.ts';
import { nextChain } from '../protocol/identity.ts';
import type { Change, PushAnswer1, PushAnswer2, PushResult } from '../protocol/wire.ts';
import { type SessionState, type Tally, WHOLE_WORKSPACE } from './session-types.ts';

export interface PushOutcome {
  pushed: Tally['pushed'];
  position: Partial<SyncPosition>;
  refusals: Omit<SyncRefusal, 'refusedAt'>[];
  /** Ids of the changes that were not refused. */
  accepted: string[];
  /** Refused because their time is ahead of the server's. */
  ahead: { changeId: string; seq: number }[];
  /** Between what this brain has and what it has just written there is nothing of anybody else's. */
  isLevel: boolean;
}

export function outcomeOfPush(
  state: SessionState,
  { changes, kept, scannedSeq }: SyncOutgoing,
  answer: PushAnswer1 | PushAnswer2,
): PushOutcome {
  const told = 'results' in answer ? answer : undefined;
  const verdicts = new Map(told?.results.map((result) => [result.changeId, result]));
  const verdictOn = ({ changeId }: Change): PushResult | undefined => verdicts.get(changeId);
  const refused = changes.filter((change) => verdictOn(change)?.outcome === 'refused');
  const pushed = { ...state.tally.pushed, kept: state.tally.pushed.kept + kept.length };
  pushed.sent += changes.length;
  for (const change of changes) pushed[verdictOn(change)?.outcome ?? 'applied'] += 1;

  const known = state.cursors[WHOLE_WORKSPACE] ?? 0;
  const isSameHistory = state.epoch === null || told?.epoch === state.epoch;
  const isLevel = isSameHistory && told?.foundCursor === known && answer.serverCursor >= known;
  return {
    pushed,
    position: {
      protocol: state.protocol === 2 ? 2 : 1,
      // What the server says that it remembers, where it says so: it may know more after a retry.
      ...(told?.replica === undefined
        ? positionAfter(state, changes)
        : { pushedSeq: told.replica.seq, chain: told.replica.chain }),
      scannedSeq,
      ...(state.epoch === null && told !== undefined ? { epoch: told.epoch } : {}),
      ...(isLevel ? { cursors: { ...state.cursors, [WHOLE_WORKSPACE]: answer.serverCursor } } : {}),
    },
    refusals: [...kept, ...refused.map((change) => refusalOf(change, verdictOn(change)))],
    accepted: changes.filter((change) => !refused.includes(change)).map(({ changeId }) => changeId),
    ahead: refused
      .filter((change) => verdictOn(change)?.code === 'clock_ahead')
      .map(({ changeId, seq = 0 }) => ({ changeId, seq })),
    isLevel,
  };
}

/** Where the server stands with this brain once it has answered for `changes`, whatever it says of each. */
export function positionAfter({ pushedSeq, chain }: SessionState, changes: readonly Change[]) {
  return {
    pushedSeq: changes.at(-1)?.seq ?? pushedSeq,
    chain: changes.reduce((sum, { changeId, seq = 0 }) => nextChain(sum, { seq, changeId }), chain),
  };
}

function refusalOf(change: Change, verdict: PushResult | undefined): Omit<SyncRefusal, 'refusedAt'> {
  return {
    direction: 'push',
    changeId: change.changeId,
    entryId: change.entry.entryId,
    seq: change.seq ?? null,
    code: verdict?.code ?? 'bad_request',
    message: verdict?.message ?? 'The server gave no reason.',
  };
}
