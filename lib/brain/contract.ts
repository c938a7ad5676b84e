/**
 * What a brain can do: every operation with the shape of its request and of its answer. The host's socket, the
 * in-process brain and the public library all speak exactly this, so that a caller cannot tell them apart.
 * Everything here is plain data (superjson carries it); times are integer milliseconds since the epoch.
 */
import type { VectorModel } from '../core/embedding.ts';
import type { Entry, EntryEdit } from '../core/entry.ts';
import type { Provenance } from '../core/provenance.ts';
import type { ReadScope, Scope } from '../core/scope.ts';
import type { Verdict } from '../core/standing.ts';
import type { RangeDigest } from '../protocol/digest.ts';
import type {
  ActivityCount,
  ActivityRequest,
  BrainStatus,
  Conflict,
  HistoryVersion,
  LoggedChange,
} from './log-contract.ts';
import type {
  ContextPack,
  ContextRequest,
  EmbeddingState,
  EmbeddingStoreRequest,
  EntryFilter,
  PendingEmbeddings,
  RecallHit,
  RecallRequest,
  SimilarEntry,
  WhyHit,
  WhyRequest,
} from './recall-contract.ts';
import type {
  SyncApplied,
  SyncApplyRequest,
  SyncDigestRequest,
  SyncNoteRequest,
  SyncOutgoing,
  SyncOutgoingRequest,
  SyncPeer,
  SyncRestampRequest,
  SyncStanding,
  SyncState,
  SyncVersions,
} from './sync-contract.ts';

export type { ReadScope, Scope };

/**
 * Carried by every write. A repeated request with the same `requestId` writes nothing and answers as the first did, so
 * a caller that lost the answer may simply ask again. A UUID.
 */
export interface WriteRequest {
  requestId: string;
}

export interface RecordRequest extends WriteRequest {
  scope: Scope;
  /** The agent of drafts that name none. */
  agent: string;
  /** Drafts as `parseDraft` accepts them, 1 to BATCH_CHANGES_MAX; all are written or none. */
  drafts: unknown[];
  /** The id, or a unique prefix of it, of an entry that the (single) draft replaces. */
  supersedes?: string;
  /** Where they are recorded; kept among the refs of drafts that do not tell it themselves. */
  provenance?: Provenance;
  /** Stores what looks like a secret instead of masking it; such a version is never pushed. */
  allowsSecrets?: boolean;
  /** Records what was handed out before all the same. */
  allowsEcho?: boolean;
}

export interface EditRequest extends WriteRequest {
  reference: EntryReference;
  edit: EntryEdit;
  /** As of a record. */
  allowsSecrets?: boolean;
}

export interface SupersedeRequest extends WriteRequest {
  workspaceId: string;
  /** Ids or unique prefixes. */
  oldId: string;
  newId: string;
}

export interface RetractRequest extends WriteRequest {
  reference: EntryReference;
}

export interface FeedbackRequest extends WriteRequest {
  /** Of an active entry. */
  reference: EntryReference;
  verdict: Verdict;
}

/** An entry by its id or a unique prefix of it (at least 4 characters), within a workspace. */
export interface EntryReference {
  workspaceId: string;
  idOrPrefix: string;
}

export interface ListRequest extends EntryFilter {
  scope: ReadScope;
  limit: number;
}

export interface LogRequest {
  scope: ReadScope;
  /** Only changes received at or after this time. */
  sinceMs?: number;
  limit: number;
}

/** The log in local order, page by page, for export. */
export interface LogPageRequest {
  afterSeq: number;
  limit: number;
}

export interface LogPage {
  changes: LoggedChange[];
  hasMore: boolean;
}

/** One line of an export, to be merged by the merge law. `changeId` makes importing it again harmless. */
export interface ImportedChange {
  changeId: string;
  base: string | null;
  replicaId: string;
  replaces?: string[];
  withdraws?: string | null;
  entry: unknown;
}

export interface ImportRequest {
  /** Where the lines came from, kept in the log, for example `import:team.jsonl`. */
  origin: string;
  /** At most BATCH_CHANGES_MAX; written as one transaction. */
  changes: ImportedChange[];
}

export interface ImportResult {
  /** Became the current version of their entry. */
  applied: number;
  /** Older than what the brain holds; kept in the log. */
  superseded: number;
  /** Already there. */
  duplicate: number;
}

/** The log held against the entries. Both lists are cut at 20 ids. */
export interface VerifyReport {
  changes: number;
  entries: number;
  /** Changes whose content does not have the hash that the log states. */
  badHashes: string[];
  /** Entries that differ from what the log says, are missing, or that no change explains. */
  mismatches: string[];
  /** What PostgreSQL's amcheck says of the indexes and tables; empty is healthy. */
  structureErrors: string[];
  /** Where recall's index does not say what the entries say; "sm doctor --rebuild" makes it anew. */
  indexErrors: string[];
  isSound: boolean;
}

export interface RebuildReport {
  entries: number;
  /** Entries that were different before. */
  repaired: number;
}

export interface ConflictsRequest {
  scope: ReadScope;
  /** Of one entry only: its id or a unique prefix. */
  idOrPrefix?: string;
  limit: number;
}

export interface ResolveRequest extends WriteRequest {
  reference: EntryReference;
  /** Begin from this losing version, by its content hash, instead of the current one. */
  take?: string;
  /** Fields that are changed on top of that. */
  edit?: EntryEdit;
  /** Hashes, or their first digits, of the losing versions that were looked at: with any other one nothing is written. */
  seen?: string[];
  /** As of a record. */
  allowsSecrets?: boolean;
}

export interface AdoptRequest extends WriteRequest {
  /** Takes over entries that were recorded before there was a workspace (`""`). */
  workspaceId: string;
  /** At most BATCH_CHANGES_MAX; call again while `remaining` is not 0. */
  limit: number;
}

/** An entry as it was written; where something was masked, with its kinds (`github`, `jwt` …). */
export type Written = Entry & { masked?: string[] };

/** Request and answer of every operation, by name. */
export interface BrainOperations {
  record: { request: RecordRequest; answer: Written[] };
  edit: { request: EditRequest; answer: Written };
  supersede: { request: SupersedeRequest; answer: { old: Entry; new: Entry } };
  retract: { request: RetractRequest; answer: Entry };
  /** Says that an entry proved useful or stale: moves its confidence by a bounded step, see core/standing.ts. */
  feedback: { request: FeedbackRequest; answer: Entry };
  import: { request: ImportRequest; answer: ImportResult };
  show: { request: EntryReference; answer: Entry };
  history: { request: EntryReference; answer: HistoryVersion[] };
  recall: { request: RecallRequest; answer: RecallHit[] };
  /** Other active entries of the same project that say nearly the same, the nearest first: at most three. */
  similar: { request: EntryReference; answer: SimilarEntry[] };
  /** What matters most for a prompt, packed into a budget of tokens. */
  context: { request: ContextRequest; answer: ContextPack };
  /** Entries whose refs name the commits, paths or keys of a place in the code, the nearest first. */
  why: { request: WhyRequest; answer: WhyHit[] };
  list: { request: ListRequest; answer: Entry[] };
  log: { request: LogRequest; answer: LoggedChange[] };
  logPage: { request: LogPageRequest; answer: LogPage };
  status: { request: { scope: Scope }; answer: BrainStatus };
  /** Entries that are not retracted, by step, kind and agent; absent where there are none. */
  activity: { request: ActivityRequest; answer: ActivityCount[] };
  verify: { request: Record<string, never>; answer: VerifyReport };
  rebuild: { request: Record<string, never>; answer: RebuildReport };
  conflicts: { request: ConflictsRequest; answer: Conflict[] };
  resolve: { request: ResolveRequest; answer: Written };
  adopt: { request: AdoptRequest; answer: { adopted: number; remaining: number } };
  syncState: { request: SyncPeer; answer: SyncState };
  syncStanding: { request: SyncPeer; answer: SyncStanding };
  syncOutgoing: { request: SyncOutgoingRequest; answer: SyncOutgoing };
  /** Every version that the log has of the named entries, for a peer that lacks them, but what is kept here. */
  syncVersions: { request: { workspaceId: string; entryIds: string[] }; answer: SyncVersions };
  syncDigest: { request: SyncDigestRequest; answer: RangeDigest[] };
  syncNote: { request: SyncNoteRequest; answer: { pending: number } };
  syncApply: { request: SyncApplyRequest; answer: SyncApplied };
  syncRestamp: { request: SyncRestampRequest; answer: { restamped: number } };
  /** Undefined where nothing was ever embedded. */
  embeddingState: { request: Record<string, never>; answer: EmbeddingState | undefined };
  /** Forgets every vector, and begins with those of this model. */
  embeddingStart: { request: VectorModel; answer: Record<string, never> };
  embeddingPending: { request: { generation: string; limit: number }; answer: PendingEmbeddings };
  /** Vectors of another generation than the brain's are not stored. */
  embeddingStore: { request: EmbeddingStoreRequest; answer: { stored: number } };
  /** Takes a new replica id and forgets every position: everything is pushed and pulled again. */
  syncRenew: { request: Record<string, never>; answer: { replicaId: string } };
}

export type OperationName = keyof BrainOperations;
export type RequestOf<O extends OperationName> = BrainOperations[O]['request'];
export type AnswerOf<O extends OperationName> = BrainOperations[O]['answer'];

/** A brain that is open. Every call may be repeated after a lost answer. Failures are SmErrors. */
export interface Brain {
  /** Runs one operation. A write resolves only after its commit is on disk. */
  run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>>;
  /** Lets go of the brain. Idempotent. */
  close(): Promise<void>;
}

/** Operations that write, and are therefore queued into shared transactions. */
const WRITE_OPERATIONS = [
  'record',
  'edit',
  'supersede',
  'retract',
  'feedback',
  'import',
  'rebuild',
  'resolve',
  'adopt',
  'syncNote',
  'syncApply',
  'syncRestamp',
  'syncRenew',
  'embeddingStart',
  'embeddingStore',
] as const satisfies OperationName[];

export type WriteName = (typeof WRITE_OPERATIONS)[number];

export function isWrite(operation: OperationName): operation is WriteName {
  return (WRITE_OPERATIONS as readonly OperationName[]).includes(operation);
}
