/**
 * What the server keeps, as one interface for both stores (embedded-store.ts, postgres-store.ts): the changes of
 * workspaces, and the directory of workspaces, keys, accounts and invitations. The same contract suite runs on both.
 * Time comes in with each call. Invariant: whatever a call resolves with is durable.
 */
import type { Entry } from '../core/entry.ts';
import type { EntryStamp, IdRange } from '../protocol/digest.ts';
import type { HashedContent } from '../protocol/hash.ts';
import type { ReplicaPosition } from '../protocol/wire.ts';

/** A change to be stored. Its content has passed every check; its time is the one to merge by. */
export interface NewServerChange extends HashedContent {
  changeId: string;
  base: string | null;
  replaces: string[];
  replicaId: string;
  entry: Entry;
  /** Its place in the log of the replica that pushes it, where the push tells of that. */
  seq?: number;
  /** The time that its writer claimed, where it is not `entry.updatedAt`. */
  claimedAt?: number;
  /** Of a protocol 1 entry that may be a retracted one, as such a client was sent it: the hash it would then have. */
  echoHash?: string;
}

/** What a replica says of its own log in a push, with the rolling hash after each of the push's changes. */
export interface ReplicaClaim extends ReplicaPosition {
  headSeq: number;
  /** Ascending, and after `seq`. */
  steps: [seq: number, chain: string][];
}

/** Changes as a statement takes them (change-rows.ts). */
export interface StoreRows {
  /** UTF-8 of JSON. Whoever gives them lets go of them: no byte is changed afterwards. */
  rows: Buffer;
  count: number;
}

export interface StorePush extends StoreRows {
  workspaceId: string;
  /** The client id of whoever pushes: the replica whose position is remembered. */
  pusherId: string;
  protocol: 1 | 2;
  nowMs: number;
  replica?: ReplicaClaim;
}

export type StoreOutcome = 'applied' | 'superseded' | 'duplicate' | 'change_id_reused' | 'was_refused';

export type StorePushAnswer =
  | {
      verdict: 'stored';
      epoch: string;
      /** The workspace's last cursor before this push: nothing else lies between it and `lastCursor`. */
      foundCursor: number;
      lastCursor: number;
      /** How many were new to the log. */
      stored: number;
      /** In the order of the changes. */
      outcomes: StoreOutcome[];
      /** What is remembered of the replica now, where the push told of it. */
      replica?: ReplicaPosition;
    }
  | { verdict: 'forked' | 'replica_behind' | 'replica_ahead'; remembered: ReplicaPosition };

export interface StorePull {
  workspaceId: string;
  /** Null for the whole workspace. */
  projectId: string | null;
  since: number;
  limit: number;
  /** Bytes of content after which a page ends; it holds one change at least. */
  bytesMax: number;
  /** Without unresolved conflicts. */
  currentOnly: boolean;
  /** Whose own changes are left out, where this is exactly what is remembered of it. */
  replica?: ReplicaPosition & { replicaId: string };
}

/** A stored version. */
export interface StoredChange {
  cursor: number;
  changeId: string;
  base: string | null;
  replaces: string[];
  replicaId: string;
  hash: string;
  entry: Entry;
}

export interface StorePage<Item> {
  epoch: string;
  /** The workspace's newest cursor at the moment of reading. */
  lastCursor: number;
  hasMore: boolean;
  items: Item[];
}

export interface StoreHistory {
  workspaceId: string;
  entryIds: string[] | null;
  since: number;
  until: number;
  limit: number;
  bytesMax: number;
}

export interface LoggedVersion extends Omit<StoredChange, 'hash'> {
  receivedAt: number;
  outcome: string;
  claimedAt: number | null;
}

export interface StoreDigest {
  workspaceId: string;
  projectId: string | null;
  ranges: IdRange[];
  parts: number;
  stampsMax: number;
}

/** A part of a range that holds entries. */
export interface DigestPart {
  /** Which range, from 0. */
  range: number;
  firstId: string;
  count: number;
  hash: string;
  stamps: EntryStamp[] | null;
}

export interface KeyRecord {
  prefix: string;
  workspaceId: string;
  /** The workspace's own project. */
  projectId: string;
  workspaceName: string;
  /** Of the whole key, for a comparison in constant time. */
  hash: string;
  isRevoked: boolean;
}

/** A key or an invitation as it is stored: never itself. */
export interface NewSecret {
  hash: string;
  prefix: string;
}

export interface KeyListing {
  prefix: string;
  workspaceId: string;
  email: string | null;
  name: string;
  createdAt: number;
  revokedAt: number | null;
  lastUsedAt: number | null;
}

export interface InvitationListing {
  prefix: string;
  email: string | null;
  workspaceId: string | null;
  createdAt: number;
  expiresAt: number;
  usedAt: number | null;
  revokedAt: number | null;
}

export interface WorkspaceListing {
  workspaceId: string;
  name: string;
  projectId: string;
  createdAt: number;
  lastCursor: number;
}

export interface NewWorkspace {
  workspaceId: string;
  projectId: string;
  name: string;
}

export interface SignUp {
  email: string;
  nowMs: number;
  key: NewSecret;
  /** Taken where the invitation names no workspace. */
  workspace: NewWorkspace;
  /** Undefined where none is needed. */
  invitationHash?: string;
  isInvitationNeeded: boolean;
}

export type SignUpAnswer =
  { outcome: 'created' | 'exists'; workspaceId: string; projectId: string } | { outcome: 'not_invited' };

/** What the store tells those who watch it. `all`: something may have been missed. */
export type StoreEvent =
  { kind: 'cursor'; workspaceId: string; cursor: number } | { kind: 'revoked'; prefix: string } | { kind: 'all' };

export interface ChangeStore {
  /** Which of the two it is. */
  readonly kind: 'embedded' | 'postgres';
  push(request: StorePush): Promise<StorePushAnswer>;
  pull(query: StorePull): Promise<StorePage<StoredChange>>;
  history(query: StoreHistory): Promise<StorePage<LoggedVersion>>;
  digest(query: StoreDigest): Promise<{ epoch: string; lastCursor: number; parts: DigestPart[] }>;
  /** The newest cursor of a workspace; 0 where it has none. */
  lastCursor(workspaceId: string): Promise<number>;
  /** Calls back for every event from now on, also of other instances. @returns what ends it */
  watch(listener: (event: StoreEvent) => void): () => void;
  /** Resolves where storage answers. */
  ping(): Promise<void>;

  findKey(hash: string, nowMs: number): Promise<KeyRecord | undefined>;
  signUp(request: SignUp): Promise<SignUpAnswer>;
  findAccount(email: string): Promise<{ workspaceId: string; projectId: string } | undefined>;
  /** Gives the e-mail address a new key and revokes its older ones. Undefined where it has no account. */
  resetKeys(request: {
    email: string;
    key: NewSecret;
    nowMs: number;
  }): Promise<{ workspaceId: string; projectId: string } | undefined>;

  listWorkspaces(): Promise<WorkspaceListing[]>;
  /** @param newWorkspace the key's, where it is made for it: both are there then, or neither */
  createKey(
    request: NewSecret & { workspaceId: string; name: string; email?: string; nowMs: number },
    newWorkspace?: NewWorkspace,
  ): Promise<void>;
  listKeys(): Promise<KeyListing[]>;
  /** False where there is none of this prefix that is not revoked. */
  revokeKey(prefix: string, nowMs: number): Promise<boolean>;
  createInvitation(
    request: NewSecret & { email: string | null; workspaceId: string | null; nowMs: number; expiresAt: number },
  ): Promise<void>;
  listInvitations(): Promise<InvitationListing[]>;
  revokeInvitation(prefix: string, nowMs: number): Promise<boolean>;
  readEpoch(): Promise<string>;
  /** To be called after a backup was restored. */
  renewEpoch(epoch: string): Promise<void>;
  close(): Promise<void>;
}
