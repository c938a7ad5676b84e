/**
 * What a brain tells of its entries as a whole: versions in the log, conflicts among them, counts. Plain data, like all of the
 * contract; and of the core alone, so that a page in a browser can name it.
 */
import type { Entry, EntryKind, EntryStatus } from '../core/entry.ts';
import type { MergeOutcome } from '../core/merge.ts';
import type { ReadScope } from '../core/scope.ts';

/** A version of an entry, as the log holds it. */
export interface LoggedChange {
  /** Local order of arrival, from 1. */
  seq: number;
  changeId: string;
  /** Hash of the version it was written on; null for a first version or where a peer did not tell. */
  base: string | null;
  hash: string;
  replicaId: string;
  receivedAt: number;
  /** `local`, or the address it came from. */
  origin: string;
  outcome: MergeOutcome;
  /** Hashes of versions, besides `base`, that it is known to have replaced. */
  replaces: string[];
  /** The change that it withdraws, because its time was wrong. */
  withdraws: string | null;
  entry: Entry;
}

/** A version in an entry's history, newest stamp first; exactly one is current. */
export interface HistoryVersion extends LoggedChange {
  isCurrent: boolean;
  /** In words: why this version is current, or what it lost to. */
  reason: string;
}

/** Entries by when they were made, for a graph over time. */
export interface ActivityRequest {
  scope: ReadScope;
  sinceMs: number;
  /** Length of a step, in milliseconds. */
  stepMs: number;
  /** Steps; what is later than the last is not counted. 1 to ACTIVITY_STEPS_MAX. */
  steps: number;
}

export interface ActivityCount {
  /** From 0. */
  step: number;
  kind: EntryKind;
  agent: string;
  count: number;
}

export interface BrainStatus {
  /** Entries of the asked project, and of the whole workspace, that are active. */
  repoEntries: number;
  orgEntries: number;
  /** The same over every status: `{ active, superseded, retracted }` of the workspace. */
  byStatus: Record<EntryStatus, number>;
  byKind: Record<EntryKind, number>;
  /** Versions in the log, over all workspaces. */
  changes: number;
  /** Entries over all workspaces and states. */
  entries: number;
  /** When the last change arrived; null in an empty brain. */
  lastChangeAt: number | null;
  replicaId: string;
  /** How far the machine's clock is behind the newest time this brain stamped, in milliseconds; 0 is healthy. */
  clockRegressionMs: number;
  storeBytes: number;
  directory: string;
}

/** Versions of an entry that lost to one which was not written on top of them, and that nobody has resolved. */
export interface Conflict {
  current: LoggedChange;
  /** Newest first. */
  losers: LoggedChange[];
}
