/** The reads of a brain: history, recall, list, log, status. What one question may ask for is bounded in requests.ts. */
import { clockRegressionMs } from '../core/clock.ts';
import type { Entry } from '../core/entry.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { recallEntries } from '../recall/recall.ts';
import { similarEntries } from '../recall/similar.ts';
import type { VectorMemory } from '../recall/vector-memory.ts';
import { verifyIndex } from '../recall/verify-index.ts';
import type { Database } from '../store/database.ts';
import { readClockHighWater } from '../store/meta.ts';
import {
  type ChangeRecord,
  countAll,
  countEntries,
  currentVersion,
  listEntries,
  readHistory,
  readLog,
  readLogPage,
} from '../store/read.ts';
import { verifyStore } from '../store/verify.ts';
import type {
  EntryReference,
  ListRequest,
  LogPage,
  LogPageRequest,
  LogRequest,
  Scope,
  VerifyReport,
} from './contract.ts';
import type { BrainStatus, HistoryVersion } from './log-contract.ts';
import type { RecallHit, RecallRequest, SimilarEntry } from './recall-contract.ts';
import { findEntry } from './references.ts';

export async function recall(
  database: Database,
  request: RecallRequest,
  nowMs: number,
  vectors: VectorMemory,
): Promise<RecallHit[]> {
  const { scope, query = '', limit, isLoose = false, asOfMs, meaning } = request;
  const past = asOfMs === undefined ? {} : { asOfMs };
  const nearness = meaning && (await vectors.nearnessTo(database, scope.workspaceId, meaning));
  return recallEntries(database, {
    scope,
    filter: request,
    text: query.toWellFormed(),
    limit,
    nowMs,
    isLoose,
    ...past,
    ...(nearness && { nearness }),
  });
}

export async function similar(database: Database, reference: EntryReference, nowMs: number): Promise<SimilarEntry[]> {
  return similarEntries(database, (await findEntry(database, reference)).entry, nowMs);
}

export async function list(database: Database, request: ListRequest): Promise<Entry[]> {
  return listEntries(database, { scope: request.scope, filter: request, limit: request.limit });
}

export async function log(database: Database, request: LogRequest): Promise<ChangeRecord[]> {
  return readLog(database, request);
}

export async function logPage(database: Database, request: LogPageRequest): Promise<LogPage> {
  return readLogPage(database, { ...request, bytesMax: BATCH_BYTES_MAX / 2 });
}

/** The log against the entries, and these against recall's index. */
export async function verify(database: Database): Promise<VerifyReport> {
  const report = await verifyStore(database);
  const indexErrors = report.structureErrors.length > 0 ? [] : await verifyIndex(database);
  return { ...report, indexErrors, isSound: report.isSound && indexErrors.length === 0 };
}

/** Every version of an entry with what became of it. */
export async function history(database: Database, reference: EntryReference): Promise<HistoryVersion[]> {
  const { entry } = await findEntry(database, reference);
  const versions = await readHistory(database, entry.entryId);
  const winner = currentVersion(versions);
  const replaced = new Set(
    versions.flatMap(({ base, replaces }) => [base, ...replaces.map((name) => name.slice(0, 64))]),
  );
  const withdrawn = new Set(versions.map(({ withdraws }) => withdraws));
  return versions.map((version) => ({
    ...version,
    isCurrent: version === winner,
    reason: withdrawn.has(version.changeId)
      ? 'withdrawn: its time was ahead of the server’s, and it was written again'
      : reasonOf(version, winner, replaced),
  }));
}

export async function status(
  database: Database,
  surroundings: { replicaId: string; directory: string; nowMs: number },
  { scope }: { scope: Scope },
): Promise<BrainStatus> {
  const [counts, totals, highWaterMs] = [
    await countEntries(database, scope.workspaceId),
    await countAll(database),
    await readClockHighWater(database),
  ];
  const byStatus: BrainStatus['byStatus'] = { active: 0, superseded: 0, retracted: 0 };
  const byKind: BrainStatus['byKind'] = { experiment: 0, decision: 0, insight: 0, note: 0 };
  let repoEntries = 0;
  for (const group of counts) {
    byStatus[group.status] += group.count;
    if (group.status !== 'active') continue;
    byKind[group.kind] += group.count;
    if (group.projectId === scope.projectId) repoEntries += group.count;
  }
  return {
    repoEntries,
    orgEntries: byStatus.active,
    byStatus,
    byKind,
    changes: totals.changes,
    entries: totals.entries,
    lastChangeAt: totals.lastChangeAt,
    replicaId: surroundings.replicaId,
    clockRegressionMs: clockRegressionMs(surroundings.nowMs, highWaterMs),
    storeBytes: totals.bytes,
    directory: surroundings.directory,
  };
}

function reasonOf(version: ChangeRecord, winner: ChangeRecord | undefined, replaced: Set<string | null>): string {
  if (version === winner) return 'current: the newest version';
  if (winner !== undefined && version.hash === winner.hash && version.entry.updatedAt === winner.entry.updatedAt) {
    return 'the same version, received again';
  }
  if (replaced.has(version.hash)) return 'replaced by a version written on top of it';
  if (version.entry.updatedAt === winner?.entry.updatedAt)
    return 'lost to a version of the same time with the greater hash';
  return 'lost to a newer version that was written without knowing it';
}
