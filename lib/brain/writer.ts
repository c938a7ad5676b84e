/**
 * The pen of one write request: stamps versions and appends them, in the request's transaction. Owns the ids of the
 * changes, which are derived from the request's id so that a repeated request is recognised.
 * Invariant: a version is stamped once, when it is written, and beats every version its writer had seen.
 */
import { nextStampTime } from '../core/clock.ts';
import type { Entry, EntryContent } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { TIMESTAMP_MS_MAX } from '../core/limits.ts';
import { type NewChange, appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { uuidOf } from '../protocol/identity.ts';
import { type ChangeRecord, type EntryWithHash, readChangesById, readEntries } from '../store/read.ts';

/** What the outside world gives a write. Injected, so that tests hold the clock and the dice. */
export interface WriteContext {
  replicaId: string;
  nowMs: () => number;
  /** A UUIDv7 for the given time. */
  createEntryId: (nowMs: number) => string;
  /** The entry that was handed out and that this one repeats, where there is one. */
  echoOf?: (entry: EntryContent) => string | undefined;
}

/** A version to write: new content, on top of `current` where the entry exists. */
export interface Version {
  content: EntryContent;
  current?: EntryWithHash;
  /** Hashes of further versions that it settles. */
  replaces?: string[];
}

/** The id of the `position`-th change of a request. */
export function changeIdOf(requestId: string, position: number): string {
  return uuidOf(`stackmemory change ${requestId} ${position}`);
}

/** What a request with this id has written before, in order; empty for a new request. */
export async function findEarlierRun(database: Database, requestId: string, changes: number): Promise<ChangeRecord[]> {
  const first = await readChangesById(database, [changeIdOf(requestId, 0)]);
  if (first.length === 0 || changes === 1) return first;
  return readChangesById(
    database,
    Array.from({ length: changes }, (_, position) => changeIdOf(requestId, position)),
  );
}

/**
 * Stamps and appends `versions` in order; a request that has been here before appends nothing.
 * @returns the entries as the request wrote them
 */
export async function writeVersions(
  transaction: Database,
  context: WriteContext,
  requestId: string,
  versions: Version[],
): Promise<Entry[]> {
  const nowMs = context.nowMs();
  const changes = versions.map(({ content, current, replaces }, position): NewChange => {
    const updatedAt = nextStampTime(nowMs, current?.entry.updatedAt);
    if (updatedAt > TIMESTAMP_MS_MAX) throw noTimeLeft(content.entryId);
    return {
      changeId: changeIdOf(requestId, position),
      base: current?.hash ?? null,
      replaces: replaces ?? [],
      replicaId: context.replicaId,
      receivedAt: Math.floor(nowMs),
      origin: 'local',
      entry: { ...content, updatedAt },
    };
  });
  const outcomes = await appendChanges(transaction, changes);
  // A version stamped just now always wins, unless the log has its change already.
  if (changes.every(({ changeId }) => outcomes.get(changeId) === 'applied')) return changes.map(({ entry }) => entry);
  const earlier = await findEarlierRun(transaction, requestId, versions.length);
  return earlier.map(({ entry }) => entry);
}

/** Only a stamp that was received can be so great; nothing has been written when this is thrown. */
function noTimeLeft(entryId: string): SmError {
  return new SmError({
    code: 'conflict',
    message: `${entryId} has the last possible time and can no longer be changed.`,
    hint: 'Record a new entry instead.',
  });
}

/** What the entries with these ids are now, in the order of the ids. */
export async function currentEntries(database: Database, ids: string[]): Promise<Entry[]> {
  const current = await readEntries(database, ids);
  return ids.flatMap((id) => current.get(id)?.entry ?? []);
}
