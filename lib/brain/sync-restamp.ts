/** What a brain does about versions whose time was ahead: they are withdrawn, and written again at the time it really was. */
import { TIMESTAMP_MS_MAX } from '../core/limits.ts';
import { uuidOf } from '../protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../protocol/limits.ts';
import { appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { readChangesAt, readRemainingVersions, remakeEntries } from '../store/sync-log.ts';
import { removeRefusals } from '../store/sync-meta.ts';
import type { SyncRestampRequest } from './sync-contract.ts';
import { toWire } from './sync-versions.ts';
import type { WriteContext } from './writer.ts';

/**
 * Withdraws versions that were refused because their time was ahead, and writes each again on the same base: at the
 * time it really was, past whatever its writer had seen. A version whose time would still be ahead is left as it is, and so
 * is one that was imported, unless the withdrawal is forced.
 */
export async function syncRestamp(
  transaction: Database,
  context: WriteContext,
  request: SyncRestampRequest,
): Promise<{ restamped: number }> {
  const nowMs = Math.floor(context.nowMs());
  const wanted = new Set(request.changes.map(({ changeId }) => changeId));
  const present = await readChangesAt(
    transaction,
    request.changes.map(({ seq }) => seq),
  );
  const changes = present.filter(
    (change) => mayBeWithdrawn(change.origin, request.isForced) && wanted.has(toWire(change).changeId),
  );
  const entryIds = [...new Set(changes.map(({ entry }) => entry.entryId))];
  const remaining = await readRemainingVersions(
    transaction,
    entryIds,
    changes.map(({ seq }) => seq),
  );
  const rewritten = [];
  for (const change of changes) {
    const { entryId } = change.entry;
    const seen = remaining.filter((version) => version.entryId === entryId && version.seq < change.seq);
    const seenMs = Math.max(-1, ...seen.map(({ updatedAt }) => updatedAt));
    // It was written before now, whatever the clock said then; the offset tells how long before.
    const honestMs = Math.min(nowMs, Math.floor(change.entry.updatedAt + request.clockOffsetMs));
    const updatedAt = Math.min(TIMESTAMP_MS_MAX, Math.max(0, honestMs, seenMs + 1));
    if (updatedAt >= change.entry.updatedAt || updatedAt > nowMs + CLOCK_AHEAD_MAX_MS) continue;
    remaining.push({ entryId, seq: change.seq, updatedAt });
    rewritten.push({
      changeId: uuidOf(`stackmemory restamp ${change.changeId}`),
      base: change.base,
      replicaId: context.replicaId,
      replaces: change.replaces,
      withdraws: change.changeId,
      receivedAt: nowMs,
      origin: 'local',
      entry: { ...change.entry, updatedAt },
    });
  }
  await appendChanges(transaction, rewritten);
  if (rewritten.length > 0) await remakeEntries(transaction, entryIds);
  const withdrawn = new Set(rewritten.map(({ withdraws }) => withdraws));
  const wireIds = changes.filter(({ changeId }) => withdrawn.has(changeId)).map((change) => toWire(change).changeId);
  // Another sync, at the same time, may have noted a refusal after the version was withdrawn.
  const isPresent = new Set(present.map(({ seq }) => seq));
  const gone = request.changes.filter(({ seq }) => !isPresent.has(seq)).map(({ changeId }) => changeId);
  await removeRefusals(transaction, request.peer, [...wireIds, ...gone]);
  return { restamped: rewritten.length };
}

/** What was written here has been seen by nobody else; of what was imported a person must know. Never a server's. */
function mayBeWithdrawn(origin: string, isForced: boolean): boolean {
  return origin === 'local' || (isForced && !origin.startsWith('http'));
}
