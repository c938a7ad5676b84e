/**
 * What a body that is pushed says, in both protocols: bytes become rows for the store, and refusals. Pure, and the same
 * function on the main thread and in a reader's (readers.ts): what it gives crosses from one to the other. Protocol 2
 * refuses change by change; protocol 1 takes all of a batch or nothing, for its clients hear of nothing else.
 */
import { type Entry, parseEntry } from '../core/entry.ts';
import { SmError, toSmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { type PackedBody, parseJson, unpackBody } from '../protocol/body.ts';
import { type CheckedChange, readColumns, type ReadChange, readList } from '../protocol/change.ts';
import { hashContent, toHashedContent } from '../protocol/hash.ts';
import { nextChain, uuidOf } from '../protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../protocol/limits.ts';
import {
  parseWire,
  PROTOCOL_VERSIONS,
  type PushRequest1,
  pushRequest1,
  type PushRequest2,
  pushRequest2,
  type PushResult,
} from '../protocol/wire.ts';
import { toStoreRows } from './change-rows.ts';
import { protocolOf, requireWorkspace, withClientId } from './request-fields.ts';
import type { NewServerChange, ReplicaClaim, StorePush } from './store.ts';

/** In place of a client id that a client of protocol 1 does not give. */
const UNNAMED_CLIENT = 'unnamed';

/** What is known of a push before its body is read. */
export interface PushTerms {
  /** The key's. */
  workspaceId: string;
  /** As the header names it: clients of protocol 1 may name themselves there alone. */
  clientId: string | undefined;
  /** The server's clock when the body had come. */
  nowMs: number;
}

export interface ReadPush1 {
  protocol: 1;
  push: StorePush;
  /** Its greatest `updatedAt`. */
  newestMs: number;
}

export interface ReadPush2 {
  protocol: 2;
  push: StorePush;
  /** Of the rows, in their order. */
  changeIds: string[];
  /** What is not among the rows: its place in the request, and the verdict. Ascending. */
  refused: [position: number, result: PushResult][];
  /** Whether the answer lists only what was not applied. */
  isBrief: boolean;
}

export type ReadPush = ReadPush1 | ReadPush2;

/** @throws SmError in what the whole request does wrong */
export function readPush(body: PackedBody, terms: PushTerms): ReadPush {
  const request = requireWorkspace(parseJson(unpackBody(body, BATCH_BYTES_MAX)), terms.workspaceId);
  return protocolOf(request, PROTOCOL_VERSIONS) === 1
    ? readPush1(parseWire(pushRequest1, withClientId(request, terms.clientId)), terms)
    : readPush2(parseWire(pushRequest2, request), terms);
}

function readPush1(request: PushRequest1, { workspaceId, nowMs }: PushTerms): ReadPush1 {
  const clientId = request.clientId === '' ? UNNAMED_CLIENT : request.clientId;
  const entries = request.entries.map((input, index) => parseEntry1(input, index, workspaceId));
  const rows = toStoreRows(entries.map((entry) => change1(entry, clientId, nowMs)));
  const newestMs = entries.reduce((newest, { updatedAt }) => Math.max(newest, updatedAt), 0);
  return { protocol: 1, push: { workspaceId, pusherId: clientId, protocol: 1, nowMs, ...rows }, newestMs };
}

/** @throws SmError with the field as it is in the request, such as `entries.3.title` */
function parseEntry1(input: unknown, index: number, workspaceId: string): Entry {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
  try {
    const entry = parseEntry({ ...fields, ...(fields['workspaceId'] === '' ? { workspaceId } : {}) });
    if (entry.workspaceId === workspaceId) return entry;
  } catch (error) {
    const { code, message, details } = toSmError(error);
    const inner = details?.['field'];
    const field = typeof inner === 'string' && inner !== '' ? `entries.${index}.${inner}` : `entries.${index}`;
    throw new SmError({ code, message: `entries.${index}.${message}`, details: { field } });
  }
  const field = `entries.${index}.workspaceId`;
  throw new SmError({ code: 'forbidden', message: `${field}: is not the workspace of this key.`, details: { field } });
}

function change1(entry: Entry, clientId: string, nowMs: number): NewServerChange {
  const { updatedAt, ...content } = entry;
  const hashed = toHashedContent(entry);
  const isAhead = updatedAt > nowMs + CLOCK_AHEAD_MAX_MS;
  return {
    changeId: uuidOf(`stackmemory protocol 1 ${entry.entryId} ${updatedAt} ${hashed.hash}`),
    base: null,
    replaces: [],
    replicaId: clientId,
    ...hashed,
    entry: isAhead ? { ...entry, updatedAt: nowMs } : entry,
    ...(isAhead ? { claimedAt: updatedAt } : {}),
    ...(entry.status === 'superseded' ? { echoHash: hashContent({ ...content, status: 'retracted' }) } : {}),
  };
}

function readPush2(request: PushRequest2, { workspaceId, nowMs }: PushTerms): ReadPush2 {
  const items = itemsOf(request, workspaceId);
  const refused: ReadPush2['refused'] = [];
  const changes: NewServerChange[] = [];
  items.forEach(({ parsed }, position) => {
    const read = 'error' in parsed ? parsed : refuseAhead(parsed.change, nowMs);
    if ('error' in read) {
      const { code, message } = read.error;
      refused.push([position, { changeId: read.changeId, outcome: 'refused', code, message }]);
    } else changes.push({ ...read.change, replaces: read.change.replaces ?? [] });
  });
  const replica = claimOf(request, items);
  return {
    protocol: 2,
    push: {
      workspaceId,
      // Only what is part of a replica's count is left out of its pulls: it can tell what became of that alone.
      pusherId: replica === undefined ? UNNAMED_CLIENT : request.clientId,
      protocol: 2,
      nowMs,
      ...toStoreRows(changes),
      ...(replica === undefined ? {} : { replica }),
    },
    changeIds: changes.map(({ changeId }) => changeId),
    refused,
    isBrief: request.columns !== undefined,
  };
}

function itemsOf({ changes, columns }: PushRequest2, workspaceId: string): ReadChange[] {
  if ((changes === undefined) === (columns === undefined)) {
    throw new SmError({
      code: 'bad_request',
      message: 'changes: a push has either changes or columns.',
      details: { field: 'changes' },
    });
  }
  if (columns === undefined) return readList(changes ?? [], workspaceId);
  requireUnrepeated(columns);
  return readColumns(columns, workspaceId);
}

/** One value that stands for all is small on the wire, and a thousand times that in the log. */
function requireUnrepeated(columns: Record<string, unknown>): void {
  const count = (columns['count'] as unknown[] | null | undefined)?.[0];
  if (typeof count !== 'number') return;
  let bytes = 0;
  for (const values of Object.values(columns)) {
    if (Array.isArray(values) && values.length === 1) bytes += sizeOf(values[0]) * count;
  }
  if (!(bytes > BATCH_BYTES_MAX)) return;
  throw new SmError({
    code: 'too_large',
    message: `The changes have more than ${BATCH_BYTES_MAX / 1024 / 1024} MiB.`,
    hint: 'Send fewer changes at a time.',
  });
}

/** Bytes of a value, or of a list of values. What lies deeper is in no change, and may lie deeper than a stack goes. */
function sizeOf(value: unknown): number {
  const parts: unknown[] = Array.isArray(value) ? value : [value];
  return parts.reduce<number>((sum, part) => sum + (typeof part === 'object' ? 0 : JSON.stringify(part).length + 1), 0);
}

function refuseAhead(
  change: CheckedChange,
  nowMs: number,
): { change: CheckedChange } | { changeId: string; error: SmError } {
  const aheadMs = change.entry.updatedAt - nowMs;
  if (aheadMs <= CLOCK_AHEAD_MAX_MS) return { change };
  return {
    changeId: change.changeId,
    error: new SmError({
      code: 'clock_ahead',
      message: `updatedAt: is ${Math.round(aheadMs / 1000)} s ahead of the server's clock.`,
    }),
  };
}

/** What the replica says of its log. Refused changes are part of it: their places are taken all the same. */
function claimOf({ replica, clientId }: PushRequest2, items: ReadChange[]): ReplicaClaim | undefined {
  if (replica === undefined) return undefined;
  if (clientId === '') {
    throw new SmError({
      code: 'bad_request',
      message: 'clientId: is missing, so replicas cannot be told apart.',
      details: { field: 'clientId' },
    });
  }
  let { chain } = replica;
  const steps = items
    .flatMap(({ named: { seq, changeId } }) => {
      return Number.isSafeInteger(seq) && typeof changeId === 'string' ? { seq: seq as number, changeId } : [];
    })
    .filter(({ seq }) => seq > replica.seq)
    .sort((a, b) => a.seq - b.seq)
    .map((step): [number, string] => [step.seq, (chain = nextChain(chain, step))]);
  return { ...replica, steps };
}
