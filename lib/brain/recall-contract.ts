/**
 * What recall is asked and answers: the requests and answers of `recall`, `similar`, `context` and `why`, and the filters
 * that other reads share. Plain data, like all of the contract.
 */
import type { Meaning, StoredVector, VectorModel } from '../core/embedding.ts';
import type { Entry, EntryKind, EntryStatus } from '../core/entry.ts';
import type { ContextFormat } from '../core/vocabulary.ts';
import type { ReadScope, Scope } from '../core/scope.ts';

export interface EntryFilter {
  agent?: string;
  kind?: EntryKind;
  /** Entries that carry all of these tags. */
  tags?: string[];
  /** Only entries last updated at or after this time. */
  sinceMs?: number;
  /** Only entries last updated at or before this time. */
  untilMs?: number;
  /** Entries with a ref that is this text, ends in it as a path does, or is the commit that it abbreviates. */
  ref?: string;
  /** Also superseded and retracted entries. */
  includeInactive?: boolean;
  /** Entries of these states only. */
  statuses?: EntryStatus[];
}

export interface RecallRequest extends EntryFilter {
  scope: ReadScope;
  /** Words, "phrases", -words to leave out, tag:x. Empty or missing gives the newest entries. */
  query?: string;
  limit: number;
  /** Also what is below the threshold of relevance: the nearest misses. */
  isLoose?: boolean;
  /** Answers from the versions that were current at this time. */
  asOfMs?: number;
  /** What the query means; the host adds it where embeddings are configured. */
  meaning?: Meaning;
}

/** An entry that recall found, best first. */
export interface RecallHit extends Entry {
  /** Relevance from 0 to 1: the share of the greatest score that the query could reach. 0 where no query was given. */
  score: number;
  /** The words of the query that it has. */
  matched: string[];
  reasons: RecallReasons;
  /** A superseded entry was found; this is the one that superseded it. */
  insteadOf?: string;
}

/** Where the score of a hit comes from, each as a share of the greatest score that the query could reach. */
export interface RecallReasons {
  /** Its words, by BM25. */
  words: number;
  /** Words that stand together as in the query, and a title that says little else. */
  order: number;
  /** By how much age, doubt or having been superseded lowered the score, from 0 to 0.11. */
  lowered: number;
  /** The score as far as so few and so common matching words can be believed: it decides whether there is an answer at all. */
  relevance: number;
  /** The query is exactly its id, or one of its tags or refs. */
  exact?: 'id' | 'tag' | 'ref';
  /** How far it stands out from all others by its meaning, from 0 to 1; absent where that is not known. */
  meaning?: number;
}

export interface EmbeddingState extends VectorModel {
  /** Entries that have vectors. */
  vectors: number;
  /** Changes of the log that have not been looked at yet. */
  left: number;
}

/** Entries that are to be embedded, with no text that must not leave this machine. */
export interface PendingEmbeddings {
  items: { entryId: string; workspaceId: string; text: string; textHash: string }[];
  /** To be given back with the vectors. */
  upToSeq: number;
  left: number;
}

export interface EmbeddingStoreRequest {
  generation: string;
  upToSeq: number;
  vectors: StoredVector[];
}

/** An entry that says nearly what another one says. */
export interface SimilarEntry {
  entryId: string;
  title: string;
  /** Share of what both say, from 0.6 to 1. */
  overlap: number;
}

export interface ContextRequest {
  /** The project comes first. */
  scope: Scope;
  /** Also the other projects of the workspace. */
  includesOrg?: boolean;
  /** As for `recall`; without it: what was decided, what failed, what is new. */
  query?: string;
  /** Tokens of o200k_base, CONTEXT_TOKENS_MIN to CONTEXT_TOKENS_MAX. The text never has more. */
  budget: number;
  format: ContextFormat;
  /** As for `recall`. */
  meaning?: Meaning;
}

export interface ContextPack {
  /** To be put into a prompt as it is; empty where the brain has nothing to say. */
  text: string;
  /** Tokens of `text`. */
  tokens: number;
  budget: number;
  /** What is in the text, in its order. */
  entries: ContextEntry[];
  /** Entries that were found and for which there was no room, not even for an id. */
  omitted: number;
}

export interface ContextEntry {
  entryId: string;
  projectId: string;
  title: string;
  /** How much of it is there: all that there is room for, one line, or the id alone. */
  detail: 'full' | 'line' | 'id';
  /** Relevance from 0 to 1; 0 without a query. */
  score: number;
}

export interface WhyRequest {
  scope: ReadScope;
  /** Full hashes of commits, those that matter most first. */
  commits: string[];
  /** Names that the file has or had, from the root of the repository, the present one first. */
  paths: string[];
  /** Issues and pull requests that the commits name: `STA-412`, `#123`. */
  keys: string[];
  limit: number;
}

/** Why an entry is an answer to `why`. */
export interface WhyMatch {
  by: 'commit' | 'path' | 'key';
  /** The entry's ref. */
  ref: string;
  /** The commit, path or key of the request that it names. */
  names: string;
}

export interface WhyHit extends Entry {
  matched: WhyMatch[];
  /** A superseded entry was found; this is the one that superseded it. */
  insteadOf?: string;
}
