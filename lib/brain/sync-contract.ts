/**
 * What a brain can do for its synchronisation: the shapes of the operations by which lib/sync reads what is to be pushed
 * and stores what was pulled. Nothing here talks to a network.
 */
import type { IdRange } from '../protocol/digest.ts';
import type { Change } from '../protocol/wire.ts';

/** A server and the workspace that is synced with it. */
export interface SyncPeer {
  /** The server's address without a path or a trailing slash, `https://…` or `http://…`. */
  endpoint: string;
  workspaceId: string;
}

/** A change that could not be pushed or taken. */
export interface SyncRefusal {
  direction: 'push' | 'pull';
  changeId: string;
  entryId: string | null;
  /** Of a pushed one, its place in the log. */
  seq: number | null;
  code: string;
  message: string;
  refusedAt: number;
}

/** How far this brain and a server have come with each other. */
export interface SyncPosition {
  epoch: string | null;
  protocol: 1 | 2 | null;
  /** The last of this brain's changes that the server took, and the rolling hash through it. */
  pushedSeq: number;
  chain: string;
  /** How far the log has been looked through for changes to push. */
  scannedSeq: number;
  /** Where the next pull begins, by project; `""` is the whole workspace (protocol 2). */
  cursors: Record<string, number>;
}

export interface SyncState extends SyncPosition {
  replicaId: string;
  /** The last place of the log. */
  headSeq: number;
  /** Changes of this workspace that are still to be pushed. */
  pending: number;
  /** When the oldest of them was written; null where none is. */
  pendingSince: number | null;
  /** The server's clock less this machine's; null before the first contact. */
  clockOffsetMs: number | null;
  lastPushAt: number | null;
  lastPullAt: number | null;
  lastError: { code: string; message: string; at: number } | null;
  /** Pushed changes that were refused as ahead of the clock, with their places; at most 1,000. */
  ahead: { changeId: string; seq: number }[];
}

/** What a person wants to know beyond that. */
export interface SyncStanding {
  refusedCount: number;
  /** The newest 20. */
  refusals: SyncRefusal[];
  /** Unresolved conflicts of the workspace. */
  conflicts: number;
  /** Projects of the workspace that have entries here. */
  projectIds: string[];
}

export interface SyncOutgoingRequest {
  peer: SyncPeer;
  afterSeq: number;
  limit: number;
}

export interface SyncOutgoing {
  /** With `seq`, in its order; the wire's changeId. */
  changes: Change[];
  /** Those between them that never leave this brain, to be noted as refused by itself. */
  kept: Omit<SyncRefusal, 'refusedAt'>[];
  /** How far the log has been looked through. */
  scannedSeq: number;
  headSeq: number;
  hasMore: boolean;
}

export interface SyncVersions {
  changes: Change[];
  /** Entries of which the present version is kept here. */
  keptEntryIds: string[];
}

/** What a contact with a server has shown. Absent fields stay as they are. */
export interface SyncContact {
  position?: Partial<SyncPosition>;
  /** Added to those that are known; a refused change is looked up by its wire id and place. */
  refusals?: SyncRefusal[];
  /** Wire ids that are refused no longer. */
  accepted?: string[];
  clockOffsetMs?: number;
  lastPushAt?: number;
  lastPullAt?: number;
  lastError?: { code: string; message: string; at: number } | null;
}

/** Stores it, as one transaction. */
export interface SyncNoteRequest extends SyncContact {
  peer: SyncPeer;
}

/** A page of a pull that was read (sync-page.ts). */
export interface SyncPage {
  /** Of the changes that are fit, in their order: the wire's id, the entry's, and the row of the log. */
  changeIds: string[];
  entryIds: string[];
  rows: string[];
  unfit: { changeId: string; code: string; message: string }[];
}

/** A page of a pull: its changes and its cursor are stored together. */
export interface SyncApplyRequest {
  peer: SyncPeer;
  page?: SyncPage;
  /** In place of a page that was read, as they came; each is checked by itself, and one that is unfit is set aside. */
  changes?: unknown[];
  columns?: Record<string, unknown>;
  /** Protocol 1: entries without ancestry. */
  entries?: unknown[];
  /** `""` with protocol 2, else the project. Absent where no cursor goes with it, as in a verification. */
  cursor?: { projectId: string; value: number; epoch: string | null };
  /** With the last page: what is stored with it, of the whole contact. */
  contact?: SyncContact;
}

export interface SyncApplied {
  applied: number;
  superseded: number;
  duplicate: number;
  /** Changes that were unfit. */
  setAside: number;
  /** Changes that are still to be pushed, where the page had a contact with it. */
  pending?: number;
}

export interface SyncRestampRequest {
  peer: SyncPeer;
  /** Wire ids with their places in the log; versions that nobody else has seen. */
  changes: { changeId: string; seq: number }[];
  clockOffsetMs: number;
  /** Also versions that were imported, which others may have. */
  isForced: boolean;
}

export interface SyncDigestRequest {
  workspaceId: string;
  ranges: IdRange[];
  /** A range with at most so many entries comes with their stamps. */
  stampsMax: number;
}
