/**
 * The gate of the operations: what a request must look like, before anything is asked of the database. Requests come
 * from programs of other versions and from JavaScript, so their types prove nothing. What an entry may hold is
 * core/entry.ts's to say; here are the envelopes.
 */
import * as v from 'valibot';
import { parse } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import {
  ACTIVITY_STEPS_MAX,
  AGENT_CHARACTERS_MAX,
  BATCH_CHANGES_MAX,
  CONTEXT_TOKENS_MAX,
  CONTEXT_TOKENS_MIN,
  LABEL_CHARACTERS_MAX,
  QUERY_CHARACTERS_MAX,
  SCOPE_CHARACTERS_MAX,
  TAGS_MAX,
  WHY_COMMITS_MAX,
  WHY_KEYS_MAX,
  WHY_PATHS_MAX,
} from '../core/limits.ts';
import { VERDICTS } from '../core/standing.ts';
import { REPLACES_MAX } from '../protocol/limits.ts';
import { replacedName } from '../protocol/wire.ts';
import { CONTEXT_FORMATS, ENTRY_KINDS, ENTRY_STATUSES } from '../core/vocabulary.ts';
import { EMBEDDING_SCHEMAS, SYNC_SCHEMAS } from './background-requests.ts';
import type { OperationName, RequestOf } from './contract.ts';
import {
  batchLimit,
  limit,
  meaning,
  namedScopeId,
  ORIGIN_CHARACTERS_MAX,
  plain,
  scopeId,
  time,
  uuid,
  wholeNumber,
} from './request-parts.ts';

function batch() {
  return v.pipe(
    v.array(v.unknown(), 'must be a list'),
    v.check((items) => isBatchSize(items.length), `must have 1 to ${BATCH_CHANGES_MAX} items`),
  );
}

function isBatchSize(items: number): boolean {
  return items >= 1 && items <= BATCH_CHANGES_MAX;
}

const write = { requestId: uuid };
const scope = v.object({ workspaceId: scopeId, projectId: scopeId });
const readScope = v.object({ workspaceId: scopeId, projectId: v.nullable(scopeId) });
const reference = v.object({ workspaceId: scopeId, idOrPrefix: v.string('must be text') });
const provenance = v.partial(
  v.object({
    repo: v.string('must be text'),
    branch: v.string('must be text'),
    commit: v.string('must be text'),
    isDirty: v.boolean('must be true or false'),
    host: v.string('must be text'),
    session: v.string('must be text'),
  }),
);
const allowsSecrets = v.optional(v.boolean('must be true or false'));
const filter = {
  agent: v.optional(plain(AGENT_CHARACTERS_MAX)),
  kind: v.optional(v.picklist(ENTRY_KINDS, `must be one of ${ENTRY_KINDS.join(', ')}`)),
  tags: v.optional(
    v.pipe(v.array(plain(LABEL_CHARACTERS_MAX), 'must be a list of texts'), v.maxLength(TAGS_MAX, 'are too many')),
  ),
  sinceMs: v.optional(wholeNumber),
  untilMs: v.optional(wholeNumber),
  ref: v.optional(plain(LABEL_CHARACTERS_MAX)),
  includeInactive: v.optional(v.boolean('must be true or false')),
  statuses: v.optional(
    v.pipe(
      v.array(v.picklist(ENTRY_STATUSES, `must be one of ${ENTRY_STATUSES.join(', ')}`), 'must be a list'),
      v.minLength(1, 'must not be empty'),
      v.maxLength(ENTRY_STATUSES.length, 'are too many'),
    ),
  ),
};
const query = v.pipe(
  v.string('must be text'),
  v.check((s) => s.length <= QUERY_CHARACTERS_MAX, `must have at most ${QUERY_CHARACTERS_MAX} characters`),
);
const contentHash = v.pipe(v.string('must be text'), v.regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'));
const hashPrefix = v.pipe(v.string('must be text'), v.regex(/^[0-9a-f]{1,64}$/i, 'must be hexadecimal digits'));
const change = v.object({
  changeId: uuid,
  base: v.nullable(contentHash),
  replicaId: plain(SCOPE_CHARACTERS_MAX),
  replaces: v.optional(v.pipe(v.array(replacedName, 'must be a list'), v.maxLength(REPLACES_MAX, 'are too many'))),
  withdraws: v.optional(v.nullable(uuid)),
  entry: v.unknown(),
});

const SCHEMAS: { [O in OperationName]: v.GenericSchema } = {
  record: v.object({
    ...write,
    scope,
    agent: v.pipe(
      plain(AGENT_CHARACTERS_MAX),
      v.check((s) => s.trim() !== '', 'must not be empty'),
    ),
    drafts: batch(),
    supersedes: v.optional(v.string('must be text')),
    provenance: v.optional(provenance),
    allowsSecrets,
    allowsEcho: v.optional(v.boolean('must be true or false')),
  }),
  edit: v.object({ ...write, reference, edit: v.unknown(), allowsSecrets }),
  supersede: v.object({
    ...write,
    workspaceId: scopeId,
    oldId: v.string('must be text'),
    newId: v.string('must be text'),
  }),
  retract: v.object({ ...write, reference }),
  feedback: v.object({
    ...write,
    reference,
    verdict: v.picklist(VERDICTS, `must be one of ${VERDICTS.join(', ')}`),
  }),
  import: v.object({
    origin: plain(ORIGIN_CHARACTERS_MAX),
    changes: v.pipe(
      v.array(change, 'must be a list'),
      v.check((items) => isBatchSize(items.length), `must have 1 to ${BATCH_CHANGES_MAX} items`),
    ),
  }),
  show: reference,
  history: reference,
  recall: v.object({
    ...filter,
    scope: readScope,
    query: v.optional(query),
    limit,
    isLoose: v.optional(v.boolean('must be true or false')),
    asOfMs: v.optional(time),
    meaning,
  }),
  similar: reference,
  context: v.object({
    scope,
    includesOrg: v.optional(v.boolean('must be true or false')),
    query: v.optional(query),
    budget: v.pipe(
      wholeNumber,
      v.minValue(CONTEXT_TOKENS_MIN, `must be at least ${CONTEXT_TOKENS_MIN}`),
      v.maxValue(CONTEXT_TOKENS_MAX, `must be at most ${CONTEXT_TOKENS_MAX}`),
    ),
    format: v.picklist(CONTEXT_FORMATS, `must be one of ${CONTEXT_FORMATS.join(', ')}`),
    meaning,
  }),
  why: v.object({
    scope: readScope,
    commits: v.pipe(
      v.array(v.pipe(v.string('must be text'), v.regex(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/, 'must be a full hash'))),
      v.maxLength(WHY_COMMITS_MAX, 'are too many'),
    ),
    paths: v.pipe(v.array(plain(ORIGIN_CHARACTERS_MAX), 'must be a list'), v.maxLength(WHY_PATHS_MAX, 'are too many')),
    keys: v.pipe(v.array(plain(LABEL_CHARACTERS_MAX), 'must be a list'), v.maxLength(WHY_KEYS_MAX, 'are too many')),
    limit,
  }),
  list: v.object({ ...filter, scope: readScope, limit }),
  log: v.object({ scope: readScope, sinceMs: v.optional(wholeNumber), limit }),
  logPage: v.object({ afterSeq: wholeNumber, limit }),
  status: v.object({ scope }),
  activity: v.object({
    scope: readScope,
    sinceMs: wholeNumber,
    stepMs: v.pipe(wholeNumber, v.minValue(1, 'must be at least 1')),
    steps: v.pipe(
      wholeNumber,
      v.minValue(1, 'must be at least 1'),
      v.maxValue(ACTIVITY_STEPS_MAX, `must be at most ${ACTIVITY_STEPS_MAX}`),
    ),
  }),
  verify: v.object({}),
  rebuild: v.object({}),
  conflicts: v.object({ scope: readScope, idOrPrefix: v.optional(v.string('must be text')), limit }),
  resolve: v.object({
    ...write,
    reference,
    take: v.optional(hashPrefix),
    seen: v.optional(v.pipe(v.array(hashPrefix, 'must be a list'), v.maxLength(REPLACES_MAX, 'are too many'))),
    edit: v.optional(v.unknown()),
    allowsSecrets,
  }),
  adopt: v.object({ ...write, workspaceId: namedScopeId, limit: batchLimit }),
  ...SYNC_SCHEMAS,
  ...EMBEDDING_SCHEMAS,
};

/** The request with exactly the fields it may have. @throws SmError `bad_request` that names the field at fault */
export function parseRequest<O extends OperationName>(operation: O, request: unknown): RequestOf<O> {
  if (!Object.hasOwn(SCHEMAS, operation)) {
    throw new SmError({ code: 'bad_request', message: `${JSON.stringify(operation)} is not an operation.` });
  }
  return parse(SCHEMAS[operation], request, 'request') as RequestOf<O>;
}
