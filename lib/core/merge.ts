/**
 * The merge law: of two versions of an entry the one with the greater stamp wins, by time first and then by content
 * hash. It is a total order, so merging is commutative, associative and idempotent, and replicas converge.
 */

/** `updatedAt` in milliseconds since the epoch; `hash` the lower-case hex SHA-256 of the canonical content. */
export interface Stamp {
  updatedAt: number;
  hash: string;
}

/** Negative where `a` is older, positive where newer, 0 where both are the same version. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.updatedAt !== b.updatedAt) return a.updatedAt - b.updatedAt;
  if (a.hash === b.hash) return 0;
  return a.hash < b.hash ? -1 : 1;
}

/** The version that wins. */
export function merge<V extends Stamp>(a: V, b: V): V {
  return compareStamps(a, b) >= 0 ? a : b;
}

/** How a change fared when it arrived: it became current, lost to a newer version, or was there already. */
export type MergeOutcome = 'applied' | 'superseded' | 'duplicate';

/** The outcome of `incoming` for an entry whose current version is `current`. */
export function mergeOutcome(current: Stamp | undefined, incoming: Stamp): MergeOutcome {
  if (current === undefined) return 'applied';
  const order = compareStamps(incoming, current);
  if (order === 0) return 'duplicate';
  return order > 0 ? 'applied' : 'superseded';
}

/** Replays a log: the current version of every entry, whatever the order of `changes`. */
export function materialise<V extends Stamp & { entryId: string }>(changes: Iterable<V>): Map<string, V> {
  const winners = new Map<string, V>();
  for (const change of changes) {
    const current = winners.get(change.entryId);
    winners.set(change.entryId, current === undefined ? change : merge(current, change));
  }
  return winners;
}
