/**
 * What crosses the wire between a brain and its server, in both protocol versions: schemas first, types from them.
 * docs/PROTOCOL.md is this file in words. Entries themselves are held to core/entry.ts one by one, so that one bad
 * entry is refused alone; here are the envelopes.
 */
import * as v from 'valibot';
import { parse } from '../core/entry.ts';
import type { Entry } from '../core/entry.ts';
import { BATCH_CHANGES_MAX, SCOPE_CHARACTERS_MAX } from '../core/limits.ts';
import type { IdRange, RangeDigest } from './digest.ts';
import {
  CLIENT_ID_CHARACTERS_MAX,
  DIGEST_PARTS_MAX,
  DIGEST_RANGES_MAX,
  DIGEST_STAMPS_MAX,
  HISTORY_ENTRIES_MAX,
  PULL_CHANGES_MAX,
  REPLACES_MAX,
} from './limits.ts';

export const PROTOCOL_VERSIONS = [1, 2] as const;

/** A version of an entry with its ancestry. */
export interface Change {
  /** A UUID in lower case. */
  changeId: string;
  /** Content hash of the version that it was written on; null for a first version, or where nobody knows. */
  base: string | null;
  /** The replica that wrote it. */
  replicaId: string;
  /**
   * Names of other versions that this one is known to have replaced: by its writer's will (their content hashes, of
   * versions older than this one), or by versions in between (`<hash>@<milliseconds>`, of versions older than that).
   */
  replaces?: string[];
  /** Its place in the log of the replica that pushes it; only in a push. */
  seq?: number;
  entry: Entry;
}

/** On the wire a change is flat: the fields of the entry beside those of the change. */
export type FlatChange = Entry & Omit<Change, 'entry'>;

/**
 * One array per field, all of one length. `entryId` is without its hyphens; `createdAt` is each time less the one
 * before; `updatedAt` is less its own `createdAt`; `seq` is less the one before. In `changeId` null stands for the id
 * that `wireChangeId` gives. A field that all have alike is an array of that one value.
 */
export type EntryColumns = Record<string, unknown[]> & { count: [number] };

export type PushOutcome = 'applied' | 'superseded' | 'duplicate' | 'refused';

export interface PushResult {
  changeId: string;
  outcome: PushOutcome;
  /** Of a refused one: `bad_request`, `clock_ahead`, `forbidden`, `too_large`, `change_id_reused`. */
  code?: string;
  message?: string;
}

/** What a server remembers of a replica, or a replica believes that it does. */
export interface ReplicaPosition {
  /** The greatest place in the replica's log that was taken; 0 for none. */
  seq: number;
  /** The rolling hash through it (identity.ts). */
  chain: string;
}

export interface PushAnswer1 {
  accepted: number;
  serverCursor: number;
}

export interface PushAnswer2 extends PushAnswer1 {
  /** One for every change; of a push in columns only those that were not applied. */
  results: PushResult[];
  serverTime: number;
  epoch: string;
  /** The cursor before this push: who had everything up to there has everything up to `serverCursor` now. */
  foundCursor?: number;
  /** What the server now remembers of the replica, where the request told of it. */
  replica?: ReplicaPosition;
}

export interface PullAnswer1 {
  entries: Entry[];
  serverCursor: number;
  hasMore: boolean;
}

export interface PullAnswer2 {
  /** In the order of their cursors; absent where columns were asked for. */
  changes?: FlatChange[];
  columns?: EntryColumns;
  serverCursor: number;
  hasMore: boolean;
  serverTime: number;
  epoch: string;
}

export interface HistoryAnswer {
  changes: (FlatChange & { cursor: number; receivedAt: number; outcome: string; claimedAt?: number })[];
  serverCursor: number;
  hasMore: boolean;
  serverTime: number;
  epoch: string;
}

export interface DigestAnswer {
  ranges: RangeDigest[];
  serverCursor: number;
  serverTime: number;
  epoch: string;
}

export interface HealthAnswer {
  status: 'ok' | 'unavailable';
  version: string;
  protocolVersions: number[];
  storage: 'ok' | 'unavailable';
  serverTime: number;
}

export interface SetupAnswer {
  apiKey: string;
  workspaceId: string;
  projectId: string;
}

/** `data` of the stream's event `cursor`; its id is the cursor as text. */
export interface StreamPoke {
  serverCursor: number;
}

const plain = (charactersMax: number) =>
  v.pipe(
    v.string('must be text'),
    v.check((s) => s.length <= charactersMax, `must have at most ${charactersMax} characters`),
    v.check((s) => !/\p{Cc}|\p{Surrogate}/u.test(s), 'must be plain text'),
  );
const wholeNumber = v.pipe(
  v.number('must be a number'),
  v.safeInteger('must be a whole number'),
  v.minValue(0, 'must not be negative'),
);
const hash = v.pipe(v.string('must be text'), v.regex(/^(?:[0-9a-f]{64})?$/, 'must be 64 hexadecimal digits'));
/** A content hash, or `<hash>@<milliseconds>`: versions of that content which are older than that. */
export const replacedName = v.pipe(
  v.string('must be text'),
  v.regex(/^[0-9a-f]{64}(?:@\d{1,16})?$/, 'must be 64 hexadecimal digits, with or without @ and a time'),
);
const clientId = plain(CLIENT_ID_CHARACTERS_MAX);
const scopeId = plain(SCOPE_CHARACTERS_MAX);
const items = v.pipe(
  v.array(v.unknown(), 'must be a list'),
  v.check((list) => list.length <= BATCH_CHANGES_MAX, `must have at most ${BATCH_CHANGES_MAX} items`),
);
const uuidText = v.pipe(
  v.string('must be text'),
  v.regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a UUID in lower case'),
);
const replica = v.object({ seq: wholeNumber, chain: hash });

/** Absent scope ids are those of the key. */
const envelope = {
  clientId: v.optional(clientId, ''),
  workspaceId: v.optional(scopeId, ''),
  projectId: v.optional(scopeId, ''),
};

export const pushRequest1 = v.object({
  ...envelope,
  protocolVersion: v.literal(1),
  since: v.optional(wholeNumber, 0),
  entries: items,
});
export const pushRequest2 = v.object({
  ...envelope,
  protocolVersion: v.literal(2),
  changes: v.optional(items),
  columns: v.optional(v.record(v.string(), v.unknown())),
  /** What the replica believes was taken before this push, and the last place of its whole log. */
  replica: v.optional(v.object({ ...replica.entries, headSeq: wholeNumber })),
});
export const pullRequest1 = v.object({
  ...envelope,
  protocolVersion: v.literal(1),
  since: v.optional(wholeNumber, 0),
  limit: v.optional(v.pipe(wholeNumber, v.minValue(1, 'must be at least 1'))),
});
export const pullRequest2 = v.object({
  ...envelope,
  protocolVersion: v.literal(2),
  scope: v.optional(v.picklist(['workspace', 'project'], 'must be workspace or project'), 'workspace'),
  since: v.optional(wholeNumber, 0),
  limit: v.optional(
    v.pipe(
      wholeNumber,
      v.minValue(1, 'must be at least 1'),
      v.maxValue(PULL_CHANGES_MAX, `must be at most ${PULL_CHANGES_MAX}`),
    ),
  ),
  format: v.optional(v.picklist(['changes', 'columns'], 'must be changes or columns'), 'changes'),
  /** Where it is what the server remembers, the replica's own changes are left out. */
  replica: v.optional(replica),
});
const idRange = v.object({ from: plain(64), to: v.nullable(plain(64)) });
export const digestRequest = v.object({
  ...envelope,
  protocolVersion: v.literal(2),
  scope: v.optional(v.picklist(['workspace', 'project'], 'must be workspace or project'), 'workspace'),
  ranges: v.pipe(
    v.array(idRange, 'must be a list'),
    v.check(
      (list) => list.length >= 1 && list.length <= DIGEST_RANGES_MAX,
      `must have 1 to ${DIGEST_RANGES_MAX} items`,
    ),
  ),
  /** Each range is answered in up to so many parts of equal numbers of entries. */
  parts: v.optional(
    v.pipe(
      wholeNumber,
      v.minValue(1, 'must be at least 1'),
      v.maxValue(DIGEST_PARTS_MAX, `must be at most ${DIGEST_PARTS_MAX}`),
    ),
    1,
  ),
  /** A part with at most so many entries comes with their stamps. */
  stampsMax: v.optional(v.pipe(wholeNumber, v.maxValue(DIGEST_STAMPS_MAX, `must be at most ${DIGEST_STAMPS_MAX}`)), 0),
});
export const historyRequest = v.object({
  ...envelope,
  protocolVersion: v.literal(2),
  entryIds: v.optional(
    v.pipe(
      v.array(uuidText, 'must be a list'),
      v.check((list) => list.length <= HISTORY_ENTRIES_MAX, `must have at most ${HISTORY_ENTRIES_MAX} items`),
    ),
  ),
  since: v.optional(wholeNumber, 0),
  until: v.optional(wholeNumber),
  limit: v.optional(
    v.pipe(
      wholeNumber,
      v.minValue(1, 'must be at least 1'),
      v.maxValue(PULL_CHANGES_MAX, `must be at most ${PULL_CHANGES_MAX}`),
    ),
    PULL_CHANGES_MAX,
  ),
});
const email = v.pipe(
  v.string('must be text'),
  v.trim(),
  v.check((s) => s.length <= 254 && /^[^\s@<>"]+@[^\s@<>"]+$/.test(s), 'must be an e-mail address'),
  v.toLowerCase(),
);
export const setupRequest = v.object({
  email,
  workspaceName: v.optional(plain(200), ''),
  invitation: v.optional(plain(200)),
});
export const resetRequest = v.object({ email });

/** The parts of a change that are not its entry, as they are on the wire. */
export const changeFields = v.object({
  changeId: uuidText,
  base: v.nullable(
    v.pipe(
      hash,
      v.check((s) => s !== '', 'must be 64 hexadecimal digits'),
    ),
  ),
  replicaId: v.pipe(
    clientId,
    v.check((s) => s !== '', 'must not be empty'),
  ),
  replaces: v.exactOptional(
    v.pipe(
      v.array(replacedName, 'must be a list'),
      v.maxLength(REPLACES_MAX, `must have at most ${REPLACES_MAX} items`),
    ),
  ),
  seq: v.exactOptional(v.pipe(wholeNumber, v.minValue(1, 'must be at least 1'))),
});

export type PushRequest1 = v.InferOutput<typeof pushRequest1>;
export type PushRequest2 = v.InferOutput<typeof pushRequest2>;
export type PullRequest1 = v.InferOutput<typeof pullRequest1>;
export type PullRequest2 = v.InferOutput<typeof pullRequest2>;
export type DigestRequest = v.InferOutput<typeof digestRequest>;
export type HistoryRequest = v.InferOutput<typeof historyRequest>;
export type { IdRange };

/** @throws SmError `bad_request` with the path of the field */
export function parseWire<S extends v.GenericSchema>(schema: S, input: unknown): v.InferOutput<S> {
  return parse(schema, input, 'request');
}

export function flatten({ entry, ...change }: Change): FlatChange {
  return { ...entry, ...change };
}
