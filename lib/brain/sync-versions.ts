/** Versions of the log as they cross the wire: their names, and what those that stay here were written on. Pure. */
import { wireChangeId } from '../protocol/identity.ts';
import { REPLACES_MAX } from '../protocol/limits.ts';
import type { Change } from '../protocol/wire.ts';
import type { SentVersion } from '../store/sync-log.ts';

export function toWire({ base, replicaId, replaces, hash, entry }: SentVersion): Change {
  const { entryId, updatedAt } = entry;
  return {
    changeId: wireChangeId({ replicaId, entryId, updatedAt, hash }),
    base,
    replicaId,
    ...(replaces.length === 0 ? {} : { replaces }),
    entry,
  };
}

/** What versions that stay here were written on, by entry and hash. */
export function lineageOf(kept: readonly SentVersion[]): Map<string, string[]> {
  return new Map(
    kept.map(({ entry, hash, base, replaces }) => [
      `${entry.entryId} ${hash}`,
      [...(base === null ? [] : [base]), ...replaces],
    ]),
  );
}

/**
 * A version that was written on one which stays here replaces what that one was written on: others would count it as lost
 * unseen.
 */
export function withLineage(change: SentVersion, lineage: ReadonlyMap<string, string[]>): SentVersion {
  const replaces = new Set(change.replaces);
  const waiting = [...(change.base === null ? [] : [change.base]), ...change.replaces];
  const passed = new Set<string>();
  for (let hash = waiting.shift(); hash !== undefined && replaces.size < REPLACES_MAX; hash = waiting.shift()) {
    if (passed.has(hash)) continue;
    passed.add(hash);
    const older = lineage.get(`${change.entry.entryId} ${hash}`) ?? [];
    waiting.push(...older);
    for (const each of older.slice(0, REPLACES_MAX - replaces.size)) replaces.add(each);
  }
  return replaces.size === change.replaces.length ? change : { ...change, replaces: [...replaces] };
}
