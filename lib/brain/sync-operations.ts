/**
 * What a brain does for its synchronisation: tells what is to be pushed, takes pages and keeps positions. All of it may be
 * repeated. The conversation with the server is lib/sync's.
 */
import { BATCH_BYTES_MAX, BATCH_CHANGES_MAX, CLOCK_OFFSET_TRUSTED_MS } from '../core/limits.ts';
import { takePage } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { replaceReplicaId } from '../store/meta.ts';
import { countConflicts, digestRanges, readOutgoing, readSetAside, readVersions } from '../store/sync-log.ts';
import {
  addRefusals,
  forgetPositions,
  noteContact,
  readPeer,
  readProjectIds,
  readRefusals,
} from '../store/sync-meta.ts';
import { KEPT_BECAUSE, sortOut } from './disclosure.ts';
import { changesOfProtocol1 } from './protocol-1.ts';
import type {
  SyncApplied,
  SyncApplyRequest,
  SyncDigestRequest,
  SyncNoteRequest,
  SyncOutgoing,
  SyncOutgoingRequest,
  SyncPage,
  SyncPeer,
  SyncStanding,
  SyncState,
  SyncVersions,
} from './sync-contract.ts';
import { pageOf, readPage } from './sync-page.ts';
import { lineageOf, toWire, withLineage } from './sync-versions.ts';
import type { WriteContext } from './writer.ts';

/** Content of one push: half of what a body may have, since it is quoted once more as JSON. */
const PUSH_BYTES_MAX = BATCH_BYTES_MAX / 2;
const FILED_ELSEWHERE = {
  code: 'forbidden',
  message: 'The entry is filed under another workspace of this brain, whose server alone may change it.',
};
/** A smaller offset is ordinary, and stamps need no correction. */
const CLOCK_OFFSET_TOLERATED_MS = 1_000;

export async function syncState(database: Database, peer: SyncPeer, replicaId: string): Promise<SyncState> {
  const { outgoing, ...state } = await readPeer(database, peer);
  return { ...state, replicaId, pending: outgoing + state.ahead.length };
}

export async function syncStanding(database: Database, peer: SyncPeer): Promise<SyncStanding> {
  const { refusals, count } = await readRefusals(database, peer);
  return {
    refusedCount: count,
    refusals,
    conflicts: await countConflicts(database, peer.workspaceId),
    projectIds: await readProjectIds(database, peer.workspaceId),
  };
}

export async function syncOutgoing(database: Database, request: SyncOutgoingRequest): Promise<SyncOutgoing> {
  const page = await readOutgoing(database, { ...request, bytesMax: PUSH_BYTES_MAX });
  const { changes, hasMore, headSeq, isAnyRefused } = page;
  const { sent, kept } = await sortOut(changes);
  const entryIds = [...new Set(changes.map(({ entry }) => entry.entryId))];
  const lineage = lineageOf([
    ...(isAnyRefused ? await readSetAside(database, request.peer, { entryIds, codes: Object.keys(KEPT_BECAUSE) }) : []),
    ...kept.map(({ change }) => change),
  ]);
  return {
    changes: sent.map((change) => ({ ...toWire(withLineage(change, lineage)), seq: change.seq })),
    kept: kept.map(({ change, reason }) => ({
      direction: 'push',
      changeId: toWire(change).changeId,
      entryId: change.entry.entryId,
      seq: change.seq,
      code: reason,
      message: KEPT_BECAUSE[reason],
    })),
    scannedSeq: hasMore ? (changes.at(-1)?.seq ?? headSeq) : headSeq,
    headSeq,
    hasMore,
  };
}

export async function syncVersions(
  database: Database,
  request: { workspaceId: string; entryIds: string[] },
): Promise<SyncVersions> {
  const versions = await readVersions(database, { ...request, limit: BATCH_CHANGES_MAX, bytesMax: PUSH_BYTES_MAX });
  const { sent, kept } = await sortOut(versions);
  const keptChanges = kept.map(({ change }) => change);
  const lineage = lineageOf(keptChanges);
  // The newest come first: of each entry the first one is the present one.
  const present = new Map(versions.toReversed().map((change) => [change.entry.entryId, change]));
  return {
    changes: sent.map((change) => toWire(withLineage(change, lineage))),
    keptEntryIds: keptChanges
      .filter((change) => present.get(change.entry.entryId) === change)
      .map(({ entry }) => entry.entryId),
  };
}

export async function syncDigest(database: Database, request: SyncDigestRequest) {
  return digestRanges(database, request);
}

export async function syncNote(transaction: Database, request: SyncNoteRequest): Promise<{ pending: number }> {
  const { peer, position = {}, refusals = [], accepted = [], ...contact } = request;
  const { clockOffsetMs } = contact;
  await addRefusals(transaction, peer, refusals);
  const state = await noteContact(
    transaction,
    peer,
    {
      fields: { ...position, ...contact },
      accepted,
      correctionMs: clockOffsetMs === undefined ? undefined : correctionOf(clockOffsetMs),
    },
    // Only who ends a sync asks how much is left.
    contact.lastError !== undefined,
  );
  return { pending: state === null ? 0 : state.outgoing + state.ahead.length };
}

/** What is added to the machine's clock when a version is stamped. */
export function correctionOf(clockOffsetMs: number): number {
  const size = Math.abs(clockOffsetMs);
  return size > CLOCK_OFFSET_TOLERATED_MS && size <= CLOCK_OFFSET_TRUSTED_MS ? clockOffsetMs : 0;
}

/** Merges a page and stores its cursor. Changes that are no valid ones, or not this workspace's, are set aside. */
export async function syncApply(
  transaction: Database,
  context: WriteContext,
  request: SyncApplyRequest,
): Promise<SyncApplied> {
  const { peer, cursor, contact } = request;
  const receivedAt = Math.floor(context.nowMs());
  const page = await readRequest(transaction, request);
  const { applied, superseded, elsewhere } = await takePage(transaction, peer, { ...page, receivedAt, cursor });
  const setAside = [
    ...page.unfit.map((unfit) => ({ ...unfit, entryId: null })),
    ...page.entryIds.flatMap((entryId, index) =>
      elsewhere.has(entryId) ? [{ changeId: page.changeIds[index] ?? '', entryId, ...FILED_ELSEWHERE }] : [],
    ),
  ];
  await addRefusals(
    transaction,
    peer,
    setAside.map((refusal) => ({ direction: 'pull', seq: null, refusedAt: receivedAt, ...refusal })),
  );
  const taken = page.rows.length - (setAside.length - page.unfit.length);
  const result = { applied, superseded, duplicate: taken - applied - superseded, setAside: setAside.length };
  return contact === undefined ? result : { ...result, ...(await syncNote(transaction, { peer, ...contact })) };
}

/** What was not read by whoever pulled it is read here. */
async function readRequest(transaction: Database, request: SyncApplyRequest): Promise<SyncPage> {
  const { peer, page, entries } = request;
  if (page !== undefined) return page;
  if (entries === undefined) return readPage(request, peer.workspaceId);
  const { scannedSeq } = await readPeer(transaction, peer);
  return pageOf(await changesOfProtocol1(transaction, entries, { workspaceId: peer.workspaceId, scannedSeq }));
}

export async function syncRenew(transaction: Database, replicaId: string): Promise<{ replicaId: string }> {
  await replaceReplicaId(transaction, replicaId);
  await forgetPositions(transaction);
  return { replicaId };
}
