/** The states, events and effects of the sync session; session.ts says how one leads to another. */
import type {
  SyncApplied,
  SyncOutgoing,
  SyncPage,
  SyncPosition,
  SyncRefusal,
  SyncState,
} from '../brain/sync-contract.ts';
import type { Change, PullAnswer1, PullAnswer2, PushAnswer1, PushAnswer2, ReplicaPosition } from '../protocol/wire.ts';
import type { SyncFailure, SyncMode } from './report.ts';

/** The project of a cursor that counts for a whole workspace. */
export const WHOLE_WORKSPACE = '';

export interface SessionPlan {
  mode: SyncMode;
  verify: boolean;
  /** Also withdraws what the clock's offset does not explain. */
  restamp: boolean;
  /** The project of the key: protocol 1 pulls by project. */
  projectId: string;
  /** How often a call that failed for the moment is made again. */
  retriesMax: number;
  /** Changes of one push, and of one page of a pull, with protocol 2. */
  pageChanges: number;
}

export interface Failure extends SyncFailure {
  /** Whether trying again later may help without anybody doing anything. */
  isTransient: boolean;
  /** The time was up while it was under way: less at a time may get through. */
  isSlow?: boolean;
  /** The server's own word on when, in milliseconds. */
  retryAfterMs?: number;
  details?: Record<string, unknown>;
}

export type Effect =
  | { type: 'load' }
  | { type: 'probe' }
  | { type: 'readOutgoing'; afterSeq: number; limit: number }
  | { type: 'push'; protocol: 1 | 2; changes: Change[]; replica?: ReplicaPosition & { headSeq: number } }
  | ({ type: 'note' } & Contact)
  | { type: 'pull'; protocol: 1 | 2; since: number; limit: number; projectId: string; replica: ReplicaPosition }
  /** The last page comes with what is noted of the whole contact. */
  | { type: 'apply'; page: Page; contact?: Contact }
  | { type: 'restamp'; changes: { changeId: string; seq: number }[]; clockOffsetMs: number; isForced: boolean }
  | { type: 'renew' }
  | { type: 'reconcile' }
  | { type: 'wait'; attempt: number; retryAfterMs?: number }
  | { type: 'finish' };

/** What a contact with the server has shown, and is to be stored. */
export interface Contact {
  position?: Partial<SyncPosition>;
  refusals?: Omit<SyncRefusal, 'refusedAt'>[];
  accepted?: string[];
  clockOffsetMs?: number;
  /** What the server has been asked with success. */
  moments?: ('push' | 'pull')[];
  failure?: SyncFailure | null;
}

/** Pushes changes, of which `replica` says on what place of its log they stand. */
export type PushEffect = Extract<Effect, { type: 'push' }>;

/** What a pull of protocol 2 gives, read. */
export interface PulledPage extends Omit<PullAnswer2, 'changes' | 'columns'> {
  page: SyncPage;
  /** Changes that came, fit or not. */
  received: number;
}

export interface Page {
  page?: SyncPage;
  /** Protocol 1. */
  entries?: unknown[];
  cursor?: { projectId: string; value: number; epoch: string | null };
}

export interface Reconciled {
  differences: number;
  requests: number;
  isEqual: boolean;
  epoch: string;
  /** The server's cursor before anything was compared. */
  serverCursor: number;
}

export type Event =
  | { type: 'loaded'; state: SyncState; projectIds: string[] }
  | { type: 'probed'; protocol: 1 | 2; projectIds: string[] }
  | { type: 'outgoing'; outgoing: SyncOutgoing }
  | { type: 'pushed'; answer: PushAnswer1 | PushAnswer2; clockOffsetMs: number | null }
  | { type: 'noted'; pending: number }
  | { type: 'pulled'; answer: PullAnswer1 | PulledPage; clockOffsetMs: number | null }
  | { type: 'applied'; applied: SyncApplied }
  | { type: 'restamped'; count: number }
  | { type: 'renewed' }
  | { type: 'reconciled'; result: Reconciled }
  | { type: 'waited' }
  | { type: 'failed'; failure: Failure };

/** Where the session goes once the brain has stored what it was told. */
export type Next = 'read' | 'afterPush' | 'pull' | 'afterPull' | 'finish';

export type Phase =
  | { name: 'loading' }
  | { name: 'probing' }
  | { name: 'reading' }
  | { name: 'pushing'; outgoing: SyncOutgoing }
  /**
   * A change was refused alone, or a batch took too long: whether the server takes anything at all is found out by pushing
   * nothing.
   */
  | { name: 'doubting'; outgoing: SyncOutgoing; failure: Failure }
  | { name: 'noting'; next: Next }
  | { name: 'pulling' }
  | { name: 'applying'; hasMore: boolean; isLast: boolean; cursor: number; received: number }
  | { name: 'restamping' }
  /** Whether the brain has moved on by another session, since the server has refused a push of this one for good. */
  | { name: 'lookingAgain'; code: 'forked' | 'replica_behind' }
  | { name: 'renewing' }
  | { name: 'reconciling'; reason: 'verify' | 'epoch'; epoch: string | null }
  | { name: 'waiting'; retry: Effect; resume: Phase }
  | { name: 'done' };

export interface Tally {
  pushed: { sent: number; applied: number; superseded: number; duplicate: number; refused: number; kept: number };
  pulled: { received: number; applied: number; superseded: number; duplicate: number; setAside: number };
  restamped: number;
  clockOffsetMs: number | null;
  notices: string[];
  verification?: { isEqual: boolean; differences: number; requests: number };
  failure?: Failure;
}

export interface SessionState {
  plan: SessionPlan;
  phase: Phase;
  protocol: 1 | 2 | null;
  epoch: string | null;
  pushedSeq: number;
  chain: string;
  scannedSeq: number;
  headSeq: number;
  cursors: Record<string, number>;
  /** Whether the last push found the server where this brain has it: then there is nothing to pull. */
  isLevel: boolean;
  /** Projects that are still to be pulled, the present one first. With protocol 2 the whole workspace is one. */
  toPull: string[];
  knownProjectIds: string[];
  /** Changes of the next push. */
  batchMax: number;
  /** How far `batchMax` grows again after a batch was too large; less over a slow link. */
  batchCeiling: number;
  /** Changes of a page; fewer over a slow link. */
  pageMax: number;
  /** Refused because their time was ahead, and not yet written again. */
  ahead: { changeId: string; seq: number }[];
  /** The clock's offset as an earlier contact has shown it. */
  storedOffsetMs: number;
  /** What the last thing that was stored left to push. */
  pending: number;
  attempts: number;
  turns: number;
  tally: Tally;
}
