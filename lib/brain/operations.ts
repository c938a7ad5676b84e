/**
 * Every operation of the contract and the function that does it: reads by what they may see, writes by the transaction
 * they are part of. Owns nothing; when which runs is the session's to say.
 */
import { SmError } from '../core/errors.ts';
import type { VectorMemory } from '../recall/vector-memory.ts';
import type { Database } from '../store/database.ts';
import { countActivity } from '../store/read.ts';
import { rebuildEntries } from '../store/verify.ts';
import { adopt, conflicts, resolve } from './conflicts.ts';
import { context } from './context.ts';
import { type AnswerOf, isWrite, type OperationName, type RequestOf, type WriteName } from './contract.ts';
import type { HandedOut } from './echo.ts';
import { embeddingPending, embeddingStart, embeddingState, embeddingStore } from './embeddings.ts';
import { history, list, log, logPage, recall, similar, status, verify } from './query.ts';
import { findEntry } from './references.ts';
import {
  syncApply,
  syncDigest,
  syncNote,
  syncOutgoing,
  syncRenew,
  syncStanding,
  syncState,
  syncVersions,
} from './sync-operations.ts';
import { syncRestamp } from './sync-restamp.ts';
import { why } from './why.ts';
import { edit, feedback, importChanges, record, retract, supersede } from './write.ts';
import type { WriteContext } from './writer.ts';

export interface ReadContext {
  database: Database;
  directory: string;
  replicaId: string;
  nowMs: number;
  handedOut: HandedOut;
  vectors: VectorMemory;
}

export interface SessionContext extends WriteContext {
  createReplicaId: () => string;
}

type ReadName = Exclude<OperationName, WriteName>;

/** Whether a read goes through what is not indexed one by one, so that it had better be little. */
export function needsIndex(operation: OperationName, request: unknown): boolean {
  if (operation === 'context') return (request as RequestOf<'context'>).query !== undefined;
  return operation === 'recall' || operation === 'similar' || operation === 'why';
}

const READS: { [O in ReadName]: (reading: ReadContext, request: RequestOf<O>) => Promise<AnswerOf<O>> } = {
  show: async ({ database, handedOut }, request) => {
    const { entry } = await findEntry(database, request);
    handedOut.note([entry]);
    return entry;
  },
  history: ({ database }, request) => history(database, request),
  recall: async ({ database, handedOut, nowMs, vectors }, request) => {
    const hits = await recall(database, request, nowMs, vectors);
    handedOut.note(hits);
    return hits;
  },
  similar: ({ database, nowMs }, request) => similar(database, request, nowMs),
  context: ({ database, handedOut, nowMs, vectors }, request) =>
    context(database, request, { nowMs, vectors, onHandedOut: (entries) => handedOut.note(entries) }),
  why: async ({ database, handedOut }, request) => {
    const hits = await why(database, request);
    handedOut.note(hits);
    return hits;
  },
  list: ({ database }, request) => list(database, request),
  log: ({ database }, request) => log(database, request),
  logPage: ({ database }, request) => logPage(database, request),
  status: ({ database, ...about }, request) => status(database, about, request),
  activity: ({ database }, request) => countActivity(database, request),
  verify: ({ database }) => verify(database),
  conflicts: ({ database }, request) => conflicts(database, request),
  syncState: ({ database, replicaId }, request) => syncState(database, request, replicaId),
  syncStanding: ({ database }, request) => syncStanding(database, request),
  syncOutgoing: ({ database }, request) => syncOutgoing(database, request),
  syncVersions: ({ database }, request) => syncVersions(database, request),
  syncDigest: ({ database }, request) => syncDigest(database, request),
  embeddingState: ({ database }) => embeddingState(database),
  embeddingPending: ({ database }, request) => embeddingPending(database, request),
};

type Write<O extends OperationName> = (
  transaction: Database,
  context: SessionContext,
  request: RequestOf<O>,
) => Promise<AnswerOf<O>>;

const WRITES: { [O in WriteName]: Write<O> } = {
  record,
  edit,
  supersede,
  retract,
  feedback,
  import: importChanges,
  rebuild: (transaction) => rebuildEntries(transaction),
  resolve,
  adopt,
  syncNote: (transaction, _, request) => syncNote(transaction, request),
  syncApply,
  syncRestamp,
  syncRenew: (transaction, { createReplicaId }) => syncRenew(transaction, createReplicaId()),
  embeddingStart: (transaction, _, request) => embeddingStart(transaction, request),
  embeddingStore: (transaction, _, request) => embeddingStore(transaction, request),
};

/** The request is one that `parseRequest` has let through for this operation. */
export async function runRead(operation: OperationName, request: unknown, reading: ReadContext): Promise<unknown> {
  if (isWrite(operation)) throw unknownOperation(operation);
  return (READS[operation] as (reading: ReadContext, request: unknown) => Promise<unknown>)(reading, request);
}

export async function runWrite(
  operation: OperationName,
  request: unknown,
  transaction: Database,
  context: SessionContext,
): Promise<unknown> {
  if (!isWrite(operation)) throw unknownOperation(operation);
  const write = WRITES[operation] as (...values: [Database, SessionContext, unknown]) => Promise<unknown>;
  return write(transaction, context, request);
}

function unknownOperation(operation: string): SmError {
  return new SmError({
    code: 'bad_request',
    message: `${JSON.stringify(operation)} is not an operation of this kind.`,
  });
}
