/**
 * A push, in both protocols: what the wire brings becomes changes for the store, and the store's verdicts the answer.
 * Protocol 2 refuses change by change; protocol 1 takes all of a batch or nothing, for its clients hear of nothing else.
 */
import { type Entry, parseEntry } from '../core/entry.ts';
import { SmError, toSmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { type CheckedChange, readColumns, type ReadChange, readList } from '../protocol/change.ts';
import { hashContent, toHashedContent } from '../protocol/hash.ts';
import { nextChain, uuidOf } from '../protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../protocol/limits.ts';
import type { PushAnswer1, PushAnswer2, PushRequest1, PushRequest2, PushResult } from '../protocol/wire.ts';
import type { Caller, ServerContext } from './context.ts';
import type { NewServerChange, ReplicaClaim, StoreOutcome, StorePushAnswer } from './store.ts';

/** In place of a client id that a client of protocol 1 does not give. */
const UNNAMED_CLIENT = 'unnamed';

export async function push1(context: ServerContext, caller: Caller, request: PushRequest1): Promise<PushAnswer1> {
  const nowMs = context.nowMs();
  const clientId = request.clientId === '' ? UNNAMED_CLIENT : request.clientId;
  const entries = request.entries.map((input, index) => parseEntry1(input, index, caller.workspaceId));
  const answer = await context.store.push({
    workspaceId: caller.workspaceId,
    pusherId: clientId,
    protocol: 1,
    nowMs,
    changes: entries.map((entry) => change1(entry, clientId, nowMs)),
  });
  if (answer.verdict !== 'stored') throw new Error('a push without a claim was refused');
  const serverCursor = entries.reduce((newest, { updatedAt }) => Math.max(newest, updatedAt), 0);
  return { accepted: entries.length, serverCursor };
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

export async function push2(context: ServerContext, caller: Caller, request: PushRequest2): Promise<PushAnswer2> {
  const nowMs = context.nowMs();
  const items = itemsOf(request, caller.workspaceId);
  const results = new Map<number, PushResult>();
  const positions: number[] = [];
  const changes: NewServerChange[] = [];
  items.forEach(({ parsed }, position) => {
    const refusal = 'error' in parsed ? parsed : refuseAhead(parsed.change, nowMs);
    if ('error' in refusal) {
      const { code, message } = refusal.error;
      results.set(position, { changeId: refusal.changeId, outcome: 'refused', code, message });
      return;
    }
    const { change } = refusal;
    positions.push(position);
    changes.push({ ...change, replaces: change.replaces ?? [] });
  });
  const claim = claimOf(request, items);
  const answer = await context.store.push({
    workspaceId: caller.workspaceId,
    // Only what is part of a replica's count is left out of its pulls: it can tell what became of that alone.
    pusherId: claim === undefined ? UNNAMED_CLIENT : request.clientId,
    protocol: 2,
    nowMs,
    changes,
    ...(claim === undefined ? {} : { replica: claim }),
  });
  if (answer.verdict !== 'stored') throw replicaError(answer);
  changes.forEach(({ changeId }, index) => {
    results.set(positions[index] ?? -1, resultOf(changeId, answer.outcomes[index] ?? 'applied'));
  });
  const ordered = items.flatMap((_, position) => results.get(position) ?? []);
  return {
    accepted: ordered.filter(({ outcome }) => outcome !== 'refused').length,
    results: request.columns === undefined ? ordered : ordered.filter(({ outcome }) => outcome !== 'applied'),
    serverTime: nowMs,
    foundCursor: answer.foundCursor,
    serverCursor: answer.lastCursor,
    epoch: answer.epoch,
    ...(answer.replica === undefined ? {} : { replica: answer.replica }),
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
  const count = Number((columns['count'] as unknown[] | undefined)?.[0] ?? 0);
  let bytes = 0;
  for (const values of Object.values(columns)) {
    if (Array.isArray(values) && values.length === 1) bytes += JSON.stringify(values).length * count;
  }
  if (!(bytes > BATCH_BYTES_MAX)) return;
  throw new SmError({
    code: 'too_large',
    message: `The changes have more than ${BATCH_BYTES_MAX / 1024 / 1024} MiB.`,
    hint: 'Send fewer changes at a time.',
  });
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
      message: 'clientId: is missing, so that nobody is told by replica.',
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

function replicaError({ verdict, remembered }: Exclude<StorePushAnswer, { verdict: 'stored' }>): SmError {
  if (verdict === 'forked') {
    return new SmError({
      code: verdict,
      message: 'The server has other changes in these places of this replica: its directory was copied.',
      hint: 'Take a new replica id and push everything again.',
    });
  }
  if (verdict === 'replica_behind') {
    return new SmError({
      code: verdict,
      message: 'The server has taken more of this replica than it has: it was restored from a backup.',
      hint: 'Take a new replica id and push everything again.',
    });
  }
  return new SmError({
    code: verdict,
    message: 'The server has taken less of this replica than it believes: the server was restored from a backup.',
    hint: 'Push again from details.seq.',
    details: { ...remembered },
  });
}

function resultOf(changeId: string, outcome: StoreOutcome): PushResult {
  if (outcome === 'was_refused') {
    const message = "It was refused when it came first, as ahead of the server's clock, and is refused again.";
    return { changeId, outcome: 'refused', code: 'clock_ahead', message };
  }
  if (outcome !== 'change_id_reused') return { changeId, outcome };
  return {
    changeId,
    outcome: 'refused',
    code: outcome,
    message: 'changeId: is that of another change, which the server has already.',
  };
}
