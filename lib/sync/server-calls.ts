/**
 * The calls of the protocol, each checked as far as the session relies on its answer. Entries are checked where they become
 * rows of the log: a page of protocol 2 here, so that the brain need not, all others by the brain.
 */
import * as v from 'valibot';
import { readPage } from '../brain/sync-page.ts';
import { BATCH_CHANGES_MAX } from '../core/limits.ts';
import { MESSAGE_CHARACTERS_MAX, plainText } from '../core/plain-text.ts';
import { toColumns } from '../protocol/columns.ts';
import {
  type Change,
  type DigestAnswer,
  type HistoryAnswer,
  type IdRange,
  type PullAnswer1,
  type PushAnswer1,
  type PushAnswer2,
  type ReplicaPosition,
} from '../protocol/wire.ts';
import { CallFailure } from './call-failure.ts';
import type { PulledPage } from './session-types.ts';
import { type Answer, call, type Server } from './transport.ts';

const CODE_CHARACTERS_MAX = 64;

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A server's words are kept and shown: one line, bounded, nothing but text. */
const words = (charactersMax: number) =>
  v.pipe(
    v.string(),
    v.transform((text) => plainText(text, charactersMax)),
  );
const result = v.object({
  changeId: v.string(),
  outcome: v.picklist(['applied', 'superseded', 'duplicate', 'refused']),
  code: v.optional(words(CODE_CHARACTERS_MAX)),
  message: v.optional(words(MESSAGE_CHARACTERS_MAX)),
});
// What is stored and sent back must be what the server itself would take: else no sync would ever succeed again.
const chain = v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{64})?$/));
const epoch = v.pipe(v.string(), v.maxLength(128), v.regex(/^[^\p{Cc}\p{Surrogate}]*$/u));
const replica = v.object({ seq: number, chain });
const pushAnswer1 = v.object({ accepted: number, serverCursor: number });
const pushAnswer2 = v.object({
  ...pushAnswer1.entries,
  results: v.pipe(v.array(result), v.maxLength(BATCH_CHANGES_MAX)),
  serverTime: number,
  epoch,
  foundCursor: v.optional(number),
  replica: v.optional(replica),
});
const items = v.pipe(v.array(v.unknown()), v.maxLength(BATCH_CHANGES_MAX));
const pullAnswer1 = v.object({ entries: items, serverCursor: number, hasMore: v.boolean() });
const pullAnswer2 = v.object({
  changes: v.optional(items),
  columns: v.optional(v.objectWithRest({ count: v.tuple([number]) }, v.array(v.unknown()))),
  serverCursor: number,
  hasMore: v.boolean(),
  serverTime: number,
  epoch,
});
const stamp = v.tuple([v.string(), number, v.string()]);
const digestAnswer = v.object({
  ranges: v.array(
    v.object({
      from: v.string(),
      to: v.nullable(v.string()),
      count: number,
      hash: v.string(),
      stamps: v.optional(v.array(stamp)),
    }),
  ),
  serverCursor: number,
  serverTime: number,
  epoch,
});
const historyAnswer = v.object({ changes: v.array(v.unknown()), serverCursor: number, hasMore: v.boolean() });
const health = v.object({ version: v.string(), protocolVersions: v.array(v.number()) });

export type Pushed = Told<PushAnswer1 | PushAnswer2>;
export type Pulled = Told<PullAnswer1 | PulledPage>;

export interface Told<Body> {
  answer: Body;
  clockOffsetMs: number | null;
}

/** Which protocol to speak: what the server's health says; a server that has none speaks protocol 1. */
export async function probe(server: Server): Promise<1 | 2> {
  try {
    const { body } = await call(server, 'GET', '/v1/brain/health');
    return check(health, body).protocolVersions.includes(2) ? 2 : 1;
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    const { code } = error.failure;
    // Whether anything at all is there shows with the next call.
    if (code === 'not_found' || code === 'unauthorized' || code === 'bad_request') return 1;
    throw error;
  }
}

export async function push(
  server: Server,
  request: {
    protocol: 1 | 2;
    workspaceId: string;
    projectId: string;
    /** As a brain names them: by the ids that `wireChangeId` gives. */
    changes: Change[];
    /** Absent for changes that are no part of this replica's count, as in a verification. */
    replica?: ReplicaPosition & { headSeq: number };
    /** Called once the request has left. */
    onWay?: () => void;
  },
): Promise<Pushed> {
  const { protocol, workspaceId, projectId, changes, onWay } = request;
  const envelope = { protocolVersion: protocol, clientId: server.clientId ?? '', workspaceId, projectId };
  if (protocol === 1) {
    const entries = changes.map(({ entry }) => entry);
    return told(pushAnswer1, await call(server, 'POST', '/v1/brain/push', { ...envelope, since: 0, entries }));
  }
  const body = {
    ...envelope,
    ...(request.replica === undefined ? {} : { replica: request.replica }),
    // Also a single one: its id, and the word that it was applied, are left out then.
    columns: toColumns(changes, () => true),
  };
  const answer = await call(server, 'POST', '/v1/brain/push', body, onWay);
  return told(pushAnswer2, answer, protocol2Expected);
}

export async function pull(
  server: Server,
  request: {
    protocol: 1 | 2;
    workspaceId: string;
    projectId: string;
    since: number;
    limit: number;
    replica: ReplicaPosition;
  },
): Promise<Pulled> {
  const { protocol, workspaceId, projectId, since, limit } = request;
  const envelope = { protocolVersion: protocol, clientId: server.clientId ?? '', workspaceId, since, limit };
  if (protocol === 1) {
    return told(
      pullAnswer1,
      await call(server, 'POST', '/v1/brain/pull', { ...envelope, projectId }),
    ) as Told<PullAnswer1>;
  }
  const answer = await call(server, 'POST', '/v1/brain/pull', {
    ...envelope,
    format: 'columns',
    replica: request.replica,
  });
  const { answer: raw, clockOffsetMs } = told(pullAnswer2, answer, protocol2Expected);
  const { changes, columns, ...rest } = raw;
  const page = readPage(columns === undefined ? { changes: changes ?? [] } : { columns }, workspaceId);
  return { answer: { ...rest, page, received: page.rows.length + page.unfit.length }, clockOffsetMs };
}

export async function digest(
  server: Server,
  request: { workspaceId: string; ranges: IdRange[]; parts: number; stampsMax: number },
): Promise<DigestAnswer> {
  const { body } = await call(server, 'POST', '/v1/brain/digest', { protocolVersion: 2, ...request });
  return check(digestAnswer, body) as DigestAnswer;
}

export async function history(
  server: Server,
  request: { workspaceId: string; entryIds: string[]; since: number },
): Promise<Pick<HistoryAnswer, 'serverCursor' | 'hasMore'> & { changes: unknown[] }> {
  const { body } = await call(server, 'POST', '/v1/brain/history', { protocolVersion: 2, ...request });
  return check(historyAnswer, body);
}

function told<S extends v.GenericSchema>(
  schema: S,
  { body, clockOffsetMs }: Answer,
  orElse?: (body: unknown) => void,
): Told<v.InferOutput<S>> {
  orElse?.(body);
  return { answer: check(schema, body), clockOffsetMs };
}

/** A server that answers protocol 2 as if it were 1 does not know it. */
function protocol2Expected(body: unknown): void {
  if (typeof body === 'object' && body !== null && 'serverTime' in body) return;
  throw new CallFailure({
    code: 'unsupported_protocol',
    message: 'The server answered in protocol 1.',
    isTransient: false,
  });
}

function check<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, body, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const field = v.getDotPath(parsed.issues[0]) ?? 'the answer';
  throw new CallFailure({
    code: 'unavailable',
    message: `What answers does not keep to the protocol (${field.slice(0, 60)}).`,
    hint: 'Check the address with "sm brain status"; "sm login --url …" sets it.',
    isTransient: false,
  });
}
