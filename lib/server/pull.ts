/** A pull, in both protocols, and what else reads: digests and histories. */
import type { Entry } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { toColumns } from '../protocol/columns.ts';
import { digestOf } from '../protocol/digest.ts';
import { wireChangeId } from '../protocol/identity.ts';
import { PULL_CHANGES_DEFAULT, PULL_CHANGES_MAX } from '../protocol/limits.ts';
import {
  type Change,
  type DigestAnswer,
  type DigestRequest,
  type FlatChange,
  flatten,
  type HistoryAnswer,
  type HistoryRequest,
  type IdRange,
  type PullAnswer1,
  type PullAnswer2,
  type PullRequest1,
  type PullRequest2,
} from '../protocol/wire.ts';
import type { Caller, ServerContext } from './context.ts';
import type { DigestPart, StoredChange, StorePage } from './store.ts';

/** Content in one answer; a page holds one change at least. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** A `since` below this is no cursor of ours: cursors are microseconds, and this is 1973. */
const CURSOR_MIN = 1e14;

export async function pull1(context: ServerContext, caller: Caller, request: PullRequest1): Promise<PullAnswer1> {
  const since = request.since < CURSOR_MIN ? 0 : request.since;
  const page = await context.store.pull({
    workspaceId: caller.workspaceId,
    projectId: request.projectId === '' ? caller.projectId : request.projectId,
    since,
    limit: Math.min(request.limit ?? PULL_CHANGES_DEFAULT, PULL_CHANGES_MAX),
    bytesMax: PAGE_BYTES_MAX,
    currentOnly: true,
  });
  return {
    entries: page.items.map(({ entry }) => entry1(entry)),
    serverCursor: Math.max(cursorOf(page), since),
    hasMore: page.hasMore,
  };
}

/** Clients of protocol 1 know no retracted entries. */
function entry1(entry: Entry): Entry {
  return entry.status === 'retracted' ? { ...entry, status: 'superseded' } : entry;
}

export async function pull2(context: ServerContext, caller: Caller, request: PullRequest2): Promise<PullAnswer2> {
  const { clientId, since, limit, replica } = request;
  const page = await context.store.pull({
    workspaceId: caller.workspaceId,
    projectId: projectOf(caller, request),
    since,
    limit: limit ?? PULL_CHANGES_DEFAULT,
    bytesMax: PAGE_BYTES_MAX,
    currentOnly: false,
    ...(replica === undefined || clientId === '' ? {} : { replica: { ...replica, replicaId: clientId } }),
  });
  return {
    ...(request.format === 'columns'
      ? { columns: toColumns(page.items.map(toChange), (position) => hasDerivedId(page.items[position])) }
      : { changes: page.items.map(flatChange) }),
    serverCursor: cursorOf(page),
    hasMore: page.hasMore,
    serverTime: context.nowMs(),
    epoch: page.epoch,
  };
}

function flatChange(stored: Omit<StoredChange, 'hash'>): FlatChange {
  return flatten(toChange(stored));
}

function hasDerivedId(stored: StoredChange | undefined): boolean {
  if (stored === undefined) return false;
  const { changeId, replicaId, hash, entry } = stored;
  return changeId === wireChangeId({ replicaId, hash, entryId: entry.entryId, updatedAt: entry.updatedAt });
}

function toChange({ changeId, base, replicaId, replaces, entry }: Omit<StoredChange, 'hash'>): Change {
  return { changeId, base, replicaId, ...(replaces.length === 0 ? {} : { replaces }), entry };
}

function cursorOf(page: StorePage<{ cursor: number }>): number {
  return page.hasMore ? (page.items.at(-1)?.cursor ?? page.lastCursor) : page.lastCursor;
}

function projectOf(caller: Caller, request: { scope: 'workspace' | 'project'; projectId: string }): string | null {
  if (request.scope === 'workspace') return null;
  return request.projectId === '' ? caller.projectId : request.projectId;
}

export async function history(context: ServerContext, caller: Caller, request: HistoryRequest): Promise<HistoryAnswer> {
  const page = await context.store.history({
    workspaceId: caller.workspaceId,
    entryIds: request.entryIds ?? null,
    since: request.since,
    until: request.until ?? Number.MAX_SAFE_INTEGER,
    limit: request.limit,
    bytesMax: PAGE_BYTES_MAX,
  });
  return {
    changes: page.items.map((version) => ({
      ...flatChange(version),
      cursor: version.cursor,
      receivedAt: version.receivedAt,
      outcome: version.outcome,
      ...(version.claimedAt === null ? {} : { claimedAt: version.claimedAt }),
    })),
    serverCursor: cursorOf(page),
    hasMore: page.hasMore,
    serverTime: context.nowMs(),
    epoch: page.epoch,
  };
}

export async function digest(context: ServerContext, caller: Caller, request: DigestRequest): Promise<DigestAnswer> {
  requireDisjoint(request.ranges);
  const { parts, lastCursor, epoch } = await context.store.digest({
    workspaceId: caller.workspaceId,
    projectId: projectOf(caller, request),
    ranges: request.ranges,
    parts: request.parts,
    stampsMax: request.stampsMax,
  });
  return {
    ranges: request.ranges.flatMap((range, index) =>
      toRanges(
        range,
        parts.filter((part) => part.range === index),
        request.stampsMax,
      ),
    ),
    serverCursor: lastCursor,
    serverTime: context.nowMs(),
    epoch,
  };
}

/** The parts of a range, which together are exactly the range. */
function toRanges(range: IdRange, parts: DigestPart[], stampsMax: number): DigestAnswer['ranges'] {
  if (parts.length === 0) return [{ ...range, count: 0, hash: digestOf([]), ...(stampsMax > 0 ? { stamps: [] } : {}) }];
  return parts.map(({ count, hash, stamps }, index) => ({
    from: index === 0 ? range.from : (parts[index]?.firstId ?? range.from),
    to: parts[index + 1]?.firstId ?? range.to,
    count,
    hash,
    ...(stamps === null ? {} : { stamps }),
  }));
}

/** Ranges that lie over each other would make one entry be read many times. */
function requireDisjoint(ranges: IdRange[]): void {
  const sorted = [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  sorted.forEach(({ from, to }, index) => {
    const next = sorted[index + 1];
    const isBackward = to !== null && to < from;
    if (!isBackward && (next === undefined || (to !== null && to <= next.from))) return;
    throw new SmError({
      code: 'bad_request',
      message: 'ranges: must not overlap, nor end before they begin.',
      details: { field: 'ranges' },
    });
  });
}
