/** What a brain does about versions whose time was ahead: they are withdrawn, and written again at the time it really was. */
import { TIMESTAMP_MS_MAX } from '../core/limits.ts';
import { uuidOf } from '../protocol/identity.ts';
import { CLOCK_AHEAD_MAX_MS } from '../protocol/limits.ts';
import { appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import type { ChangeRecord } from '../store/read.ts';
import { readChangesAt, readRemainingVersions, readVersions, remakeEntries } from '../store/sync-log.ts';
import { removeRefusals } from '../store/sync-meta.ts';
import type { SyncRestampRequest } from './sync-contract.ts';
import { toWire } from './sync-versions.ts';
import type { WriteContext } from './writer.ts';

/** The newest are taken; older ones are left to the next sync. */
const ADOPTED_VERSIONS_MAX = 10_000;
const ADOPTED_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Withdraws versions that were refused because their time was ahead, and writes each again on the same base: at the
 * time it really was, past whatever its writer had seen. A version whose time would still be ahead is left as it is, and so
 * is one that was imported, unless the withdrawal is forced. With them go the versions from before the workspace, of which
 * they were adopted: they never left this brain, and while their time is ahead so is all that was written on them.
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
  const refused = present.filter(
    (change) => mayBeWithdrawn(change.origin, request.isForced) && wanted.has(toWire(change).changeId),
  );
  const entryIds = [...new Set(refused.map(({ entry }) => entry.entryId))];
  const changes = [...(await readAdopted(transaction, request, { entryIds, nowMs })), ...refused].toSorted(
    (one, other) => one.seq - other.seq,
  );
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
    const isLeft = updatedAt >= change.entry.updatedAt || updatedAt > nowMs + CLOCK_AHEAD_MAX_MS;
    remaining.push({ entryId, seq: change.seq, updatedAt: isLeft ? change.entry.updatedAt : updatedAt });
    if (isLeft) continue;
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
  const wireIds = refused.filter(({ changeId }) => withdrawn.has(changeId)).map((change) => toWire(change).changeId);
  // Another sync, at the same time, may have noted a refusal after the version was withdrawn.
  const isPresent = new Set(present.map(({ seq }) => seq));
  const gone = request.changes.filter(({ seq }) => !isPresent.has(seq)).map(({ changeId }) => changeId);
  await removeRefusals(transaction, request.peer, [...wireIds, ...gone]);
  return { restamped: wireIds.length };
}

/** Of these entries the versions of no workspace whose time is ahead. */
async function readAdopted(
  transaction: Database,
  { peer, isForced }: SyncRestampRequest,
  { entryIds, nowMs }: { entryIds: string[]; nowMs: number },
): Promise<ChangeRecord[]> {
  if (peer.workspaceId === '') return [];
  const limits = { limit: ADOPTED_VERSIONS_MAX, bytesMax: ADOPTED_BYTES_MAX };
  const versions = await readVersions(transaction, { workspaceId: '', entryIds, ...limits });
  return versions.filter(({ origin, entry }) => mayBeWithdrawn(origin, isForced) && entry.updatedAt > nowMs);
}

/** What was written here has been seen by nobody else; of what was imported a person must know. Never a server's. */
function mayBeWithdrawn(origin: string, isForced: boolean): boolean {
  return origin === 'local' || (isForced && !origin.startsWith('http'));
}
