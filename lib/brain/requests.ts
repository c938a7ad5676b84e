/**
 * The gate of the operations: what a request must look like, before anything is asked of the database. Requests come
 * from programs of other versions and from JavaScript, so their types prove nothing. What an entry may hold is
 * core/entry.ts's to say; here are the envelopes.
 */
import * as v from 'valibot';
import { parse } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import {
  AGENT_CHARACTERS_MAX,
  BATCH_CHANGES_MAX,
  LABEL_CHARACTERS_MAX,
  QUERY_CHARACTERS_MAX,
  RESULTS_MAX,
  SCOPE_CHARACTERS_MAX,
  TAGS_MAX,
} from '../core/limits.ts';
import { ENTRY_KINDS } from '../core/vocabulary.ts';
import type { OperationName, RequestOf } from './contract.ts';

/** An origin is an address or a file name. */
const ORIGIN_CHARACTERS_MAX = 4_096;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NOT_PLAIN = /\p{Cc}|\p{Surrogate}/u;

function plain(charactersMax: number) {
  return v.pipe(
    v.string('must be text'),
    v.check(
      (s) => s.length <= charactersMax && !NOT_PLAIN.test(s),
      `must be plain text of at most ${charactersMax} characters`,
    ),
  );
}

function batch() {
  return v.pipe(
    v.array(v.unknown(), 'must be a list'),
    v.check((items) => isBatchSize(items.length), `must have 1 to ${BATCH_CHANGES_MAX} items`),
  );
}

function isBatchSize(items: number): boolean {
  return items >= 1 && items <= BATCH_CHANGES_MAX;
}

const uuid = v.pipe(v.string('must be text'), v.regex(UUID, 'must be a UUID'));
const scopeId = plain(SCOPE_CHARACTERS_MAX);
const wholeNumber = v.pipe(v.number('must be a number'), v.safeInteger('must be a whole number'));
const limitMessage = `must be a whole number from 1 to ${RESULTS_MAX}`;
const limit = v.pipe(
  v.number(limitMessage),
  v.check((n) => Number.isSafeInteger(n) && n >= 1 && n <= RESULTS_MAX, limitMessage),
);

const write = { requestId: uuid };
const scope = v.object({ workspaceId: scopeId, projectId: scopeId });
const readScope = v.object({ workspaceId: scopeId, projectId: v.nullable(scopeId) });
const reference = v.object({ workspaceId: scopeId, idOrPrefix: v.string('must be text') });
const filter = {
  agent: v.optional(plain(AGENT_CHARACTERS_MAX)),
  kind: v.optional(v.picklist(ENTRY_KINDS, `must be one of ${ENTRY_KINDS.join(', ')}`)),
  tags: v.optional(
    v.pipe(v.array(plain(LABEL_CHARACTERS_MAX), 'must be a list of texts'), v.maxLength(TAGS_MAX, 'are too many')),
  ),
  sinceMs: v.optional(wholeNumber),
  includeInactive: v.optional(v.boolean('must be true or false')),
};
const query = v.pipe(
  v.string('must be text'),
  v.check((s) => s.length <= QUERY_CHARACTERS_MAX, `must have at most ${QUERY_CHARACTERS_MAX} characters`),
);
const change = v.object({
  changeId: uuid,
  base: v.nullable(v.pipe(v.string('must be text'), v.regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'))),
  replicaId: plain(SCOPE_CHARACTERS_MAX),
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
  }),
  edit: v.object({ ...write, reference, edit: v.unknown() }),
  supersede: v.object({
    ...write,
    workspaceId: scopeId,
    oldId: v.string('must be text'),
    newId: v.string('must be text'),
  }),
  retract: v.object({ ...write, reference }),
  import: v.object({
    origin: plain(ORIGIN_CHARACTERS_MAX),
    changes: v.pipe(
      v.array(change, 'must be a list'),
      v.check((items) => isBatchSize(items.length), `must have 1 to ${BATCH_CHANGES_MAX} items`),
    ),
  }),
  show: reference,
  history: reference,
  recall: v.object({ ...filter, scope: readScope, query: v.optional(query), limit }),
  list: v.object({ ...filter, scope: readScope, limit }),
  log: v.object({ scope: readScope, sinceMs: v.optional(wholeNumber), limit }),
  logPage: v.object({ afterSeq: wholeNumber, limit }),
  status: v.object({ scope }),
  verify: v.object({}),
  rebuild: v.object({}),
};

/** The request with exactly the fields it may have. @throws SmError `bad_request` that names the field at fault */
export function parseRequest<O extends OperationName>(operation: O, request: unknown): RequestOf<O> {
  if (!Object.hasOwn(SCHEMAS, operation)) {
    throw new SmError({ code: 'bad_request', message: `${JSON.stringify(operation)} is not an operation.` });
  }
  return parse(SCHEMAS[operation], request, 'request') as RequestOf<O>;
}
