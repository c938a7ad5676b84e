/**
 * Brings a brain and a server together without trusting any cursor: digests over ranges of entry ids are halved and
 * halved again until the entries that differ are known; those alone cross the wire. Traffic grows with the difference.
 */
import type { Brain } from '../brain/contract.ts';
import { BATCH_CHANGES_MAX } from '../core/limits.ts';
import { compareStamps } from '../core/merge.ts';
import { type EntryStamp, type IdRange, type RangeDigest, WHOLE_RANGE } from '../protocol/digest.ts';
import { DIGEST_RANGES_MAX, HISTORY_ENTRIES_MAX } from '../protocol/limits.ts';
import type { SyncPeer } from '../brain/sync-contract.ts';
import { digest, history, push } from './server-calls.ts';
import type { Reconciled } from './session-types.ts';
import { SLOW_DIVISOR } from './session-steps.ts';
import { CallFailure } from './call-failure.ts';
import type { Server } from './transport.ts';

const PARTS = 16;
/** A part with so few entries is compared stamp by stamp. */
const STAMPS_MAX = 32;
/** Each round cuts ranges to a sixteenth: 64 rounds would be for more ids than there are. */
const ROUNDS_MAX = 64;
/** Pages of history for one lot of entries. */
const PAGES_MAX = 1_000;

interface Difference {
  /** The server has a newer version, or the only one. */
  toPull: string[];
  toPush: string[];
}

export interface ReconcileContext {
  brain: Brain;
  server: Server;
  peer: SyncPeer;
  projectId: string;
  onProgress: (compared: number) => void;
}

/** @throws CallFailure, SmError of the brain */
export async function reconcile(context: ReconcileContext): Promise<Reconciled> {
  const { brain, server, peer } = context;
  // What the log says goes before anything else: a row that was damaged is made anew from it.
  const report = await brain.run('verify', {});
  if (report.mismatches.length > 0) await brain.run('rebuild', {});
  const first = await compare(context);
  await inLots(first.difference.toPull, (ids) => pullVersions(context, ids));
  // What never leaves this brain is no difference.
  const kept = new Set<string>();
  await inLots(first.difference.toPush, async (ids) => {
    const { changes, keptEntryIds } = await brain.run('syncVersions', {
      workspaceId: peer.workspaceId,
      entryIds: ids,
    });
    for (const entryId of keptEntryIds) kept.add(entryId);
    if (changes.length === 0) return;
    await push(server, { protocol: 2, workspaceId: peer.workspaceId, projectId: context.projectId, changes });
  });
  const differing = new Set([...first.difference.toPull, ...first.difference.toPush.filter((id) => !kept.has(id))]);
  const differences = differing.size + report.mismatches.length;
  const { epoch, serverCursor, requests } = first;
  if (differences === 0) return { isEqual: true, differences, requests, epoch, serverCursor };
  const second = await compare(context);
  const isEqual = second.difference.toPull.length === 0 && second.difference.toPush.every((id) => kept.has(id));
  return { isEqual, differences, requests: requests + second.requests, epoch, serverCursor };
}

async function compare({ brain, server, peer, onProgress }: ReconcileContext) {
  const difference: Difference = { toPull: [], toPush: [] };
  const { workspaceId } = peer;
  let requests = 0;
  let compared = 0;
  let told: { epoch: string; serverCursor: number } | undefined;
  let ranges: IdRange[] = [WHOLE_RANGE];
  for (let round = 0; ranges.length > 0 && round < ROUNDS_MAX; round += 1) {
    const next: IdRange[] = [];
    for (const lot of lots(ranges, DIGEST_RANGES_MAX)) {
      const answer = await digest(server, { workspaceId, ranges: lot, parts: PARTS, stampsMax: STAMPS_MAX });
      requests += 1;
      told ??= { epoch: answer.epoch, serverCursor: answer.serverCursor };
      for (const parts of lots(answer.ranges, BATCH_CHANGES_MAX)) {
        const ours = await brain.run('syncDigest', {
          workspaceId,
          ranges: parts.map(({ from, to }) => ({ from, to })),
          stampsMax: STAMPS_MAX,
        });
        for (const [index, theirs] of parts.entries()) {
          const mine = ours[index];
          compared += theirs.count;
          if (mine === undefined || (mine.count === theirs.count && mine.hash === theirs.hash)) continue;
          if (theirs.stamps === undefined) next.push({ from: theirs.from, to: theirs.to });
          else await compareStampLists(theirs, mine);
        }
        onProgress(compared);
      }
    }
    ranges = next;
  }
  return { difference, requests, ...(told ?? { epoch: '', serverCursor: 0 }) };

  async function compareStampLists(theirs: RangeDigest, mine: RangeDigest): Promise<void> {
    // This brain may have thousands where the server has few; what they are is asked once.
    const [whole] =
      mine.stamps === undefined
        ? await brain.run('syncDigest', {
            workspaceId,
            ranges: [{ from: theirs.from, to: theirs.to }],
            stampsMax: Number.MAX_SAFE_INTEGER,
          })
        : [mine];
    const server = byId(theirs.stamps ?? []);
    const local = byId(whole?.stamps ?? []);
    for (const id of new Set([...server.keys(), ...local.keys()])) {
      const [a, b] = [local.get(id), server.get(id)];
      const order = a === undefined ? -1 : b === undefined ? 1 : compareStamps(a, b);
      if (order < 0) difference.toPull.push(id);
      if (order > 0) difference.toPush.push(id);
    }
  }
}

/** Runs with lot after lot; with smaller ones once a link is too slow for them. @throws as `run` with a single id */
async function inLots(ids: string[], run: (lot: string[]) => Promise<void>): Promise<void> {
  let size = HISTORY_ENTRIES_MAX;
  for (let start = 0; start < ids.length;) {
    const lot = ids.slice(start, start + size);
    try {
      await run(lot);
      start += lot.length;
    } catch (error) {
      const isSlow = error instanceof CallFailure && error.failure.isSlow === true;
      if (!isSlow || lot.length === 1) throw error;
      size = Math.ceil(lot.length / SLOW_DIVISOR);
    }
  }
}

async function pullVersions({ brain, server, peer }: ReconcileContext, entryIds: string[]): Promise<void> {
  let since = 0;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await history(server, { workspaceId: peer.workspaceId, entryIds, since });
    await brain.run('syncApply', { peer, changes: answer.changes });
    if (!answer.hasMore || answer.serverCursor <= since) return;
    since = answer.serverCursor;
  }
}

function byId(stamps: EntryStamp[]): Map<string, { updatedAt: number; hash: string }> {
  return new Map(stamps.map(([entryId, updatedAt, hash]) => [entryId, { updatedAt, hash }]));
}

function* lots<T>(items: T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
