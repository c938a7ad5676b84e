/** Requests of what runs in the background: the sync, and the making of vectors. */
import * as v from 'valibot';
import { BATCH_CHANGES_MAX, EMBEDDING_DIMENSIONS_MAX, SCOPE_CHARACTERS_MAX } from '../core/limits.ts';
import {
  batchLimit,
  generation,
  namedScopeId,
  ORIGIN_CHARACTERS_MAX,
  plain,
  scopeId,
  seq,
  signedBytes,
  time,
  uuid,
  wholeNumber,
} from './request-parts.ts';

const peer = v.object({ endpoint: plain(ORIGIN_CHARACTERS_MAX), workspaceId: namedScopeId });
const nullableText = v.nullable(plain(ORIGIN_CHARACTERS_MAX));
const refusalText = v.pipe(v.string('must be text'), v.maxLength(ORIGIN_CHARACTERS_MAX, 'is too long'));
const contact = v.object({
  position: v.optional(
    v.partial(
      v.object({
        epoch: nullableText,
        protocol: v.nullable(v.picklist([1, 2], 'must be 1 or 2')),
        pushedSeq: seq,
        chain: plain(64),
        scannedSeq: seq,
        cursors: v.record(scopeId, seq),
      }),
    ),
  ),
  refusals: v.optional(
    v.pipe(
      v.array(
        v.object({
          direction: v.picklist(['push', 'pull'], 'must be push or pull'),
          changeId: plain(SCOPE_CHARACTERS_MAX),
          entryId: v.nullable(uuid),
          seq: v.nullable(seq),
          code: plain(SCOPE_CHARACTERS_MAX),
          message: refusalText,
          refusedAt: time,
        }),
        'must be a list',
      ),
      v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
    ),
  ),
  accepted: v.optional(v.array(uuid, 'must be a list')),
  clockOffsetMs: v.optional(wholeNumber),
  lastPushAt: v.optional(time),
  lastPullAt: v.optional(time),
  lastError: v.optional(v.nullable(v.object({ code: plain(64), message: refusalText, at: time }))),
});

const texts = v.pipe(
  v.array(v.string('must be text'), 'must be a list'),
  v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
);
const page = v.pipe(
  v.object({
    changeIds: texts,
    entryIds: texts,
    rows: texts,
    unfit: v.pipe(
      v.array(
        v.object({ changeId: refusalText, code: plain(SCOPE_CHARACTERS_MAX), message: refusalText }),
        'must be a list',
      ),
      v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
    ),
  }),
  v.check(
    ({ changeIds, entryIds, rows }) => changeIds.length === rows.length && entryIds.length === rows.length,
    'must have an id and an entry for each row',
  ),
);

export const SYNC_SCHEMAS = {
  syncState: peer,
  syncStanding: peer,
  syncOutgoing: v.object({ peer, afterSeq: seq, limit: batchLimit }),
  syncVersions: v.object({
    workspaceId: namedScopeId,
    entryIds: v.pipe(v.array(uuid, 'must be a list'), v.maxLength(BATCH_CHANGES_MAX, 'are too many')),
  }),
  syncDigest: v.object({
    workspaceId: namedScopeId,
    ranges: v.pipe(
      v.array(v.object({ from: plain(64), to: v.nullable(plain(64)) }), 'must be a list'),
      v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
    ),
    stampsMax: seq,
  }),
  syncNote: v.object({ peer, ...contact.entries }),
  syncApply: v.object({
    peer,
    page: v.optional(page),
    changes: v.optional(v.pipe(v.array(v.unknown(), 'must be a list'), v.maxLength(BATCH_CHANGES_MAX, 'are too many'))),
    columns: v.optional(v.record(v.string(), v.unknown())),
    entries: v.optional(v.pipe(v.array(v.unknown(), 'must be a list'), v.maxLength(BATCH_CHANGES_MAX, 'are too many'))),
    cursor: v.optional(v.object({ projectId: scopeId, value: seq, epoch: nullableText })),
    contact: v.optional(contact),
  }),
  syncRestamp: v.object({
    peer,
    changes: v.pipe(
      v.array(v.object({ changeId: uuid, seq }), 'must be a list'),
      v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
    ),
    clockOffsetMs: wholeNumber,
    isForced: v.boolean('must be true or false'),
  }),
  syncRenew: v.object({}),
};

export const EMBEDDING_SCHEMAS = {
  embeddingState: v.object({}),
  embeddingStart: v.object({
    model: plain(ORIGIN_CHARACTERS_MAX),
    generation,
    dimensions: v.pipe(
      wholeNumber,
      v.minValue(1, 'must be at least 1'),
      v.maxValue(EMBEDDING_DIMENSIONS_MAX, 'are too many'),
    ),
    probe: signedBytes,
  }),
  embeddingPending: v.object({ generation, limit: batchLimit }),
  embeddingStore: v.object({
    generation,
    upToSeq: seq,
    vectors: v.pipe(
      v.array(
        v.object({ entryId: uuid, workspaceId: scopeId, textHash: plain(64), data: signedBytes }),
        'must be a list',
      ),
      v.maxLength(BATCH_CHANGES_MAX, 'are too many'),
    ),
  }),
};
