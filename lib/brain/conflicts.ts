/** Conflicts: versions that lost to one which was not written on top of them; showing and resolving them. */
import type { Entry, EntryContent } from '../core/entry.ts';
import { applyEdit, parseEdit } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { uuidOf } from '../protocol/identity.ts';
import { REPLACES_MAX } from '../protocol/limits.ts';
import { appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { type ChangeRecord, currentVersion, listOldest, readHistory } from '../store/read.ts';
import { readConflicts } from '../store/sync-log.ts';
import type { AdoptRequest, ConflictsRequest, ResolveRequest } from './contract.ts';
import type { Conflict } from './log-contract.ts';
import { findEntry } from './references.ts';
import { findEarlierRun, type WriteContext, writeVersions } from './writer.ts';

/** Losing versions that one answer shows. */
const LOSERS_MAX = 1_000;

export async function conflicts(database: Database, request: ConflictsRequest): Promise<Conflict[]> {
  const { workspaceId, projectId } = request.scope;
  const { idOrPrefix } = request;
  const named = idOrPrefix === undefined ? undefined : (await findEntry(database, { workspaceId, idOrPrefix })).entry;
  const losers = await readConflicts(database, {
    workspaceId,
    projectId: named === undefined ? projectId : null,
    ...(named === undefined ? {} : { entryId: named.entryId }),
    limit: LOSERS_MAX,
  });
  const byEntry = groupByEntry(losers);
  const found: Conflict[] = [];
  for (const [entryId, versions] of [...byEntry].slice(0, request.limit)) {
    const current = currentVersion(await readHistory(database, entryId));
    if (current !== undefined) found.push({ current, losers: versions });
  }
  return found;
}

/** Writes the version that settles a conflict: it names all that lost, and so every replica counts it as settled. */
export async function resolve(transaction: Database, context: WriteContext, request: ResolveRequest): Promise<Entry> {
  const [earlier] = await findEarlierRun(transaction, request.requestId, 1);
  if (earlier !== undefined) return earlier.entry;
  const edit = request.edit === undefined ? {} : parseEdit(request.edit);
  const current = await findEntry(transaction, request.reference);
  const { workspaceId, entryId } = current.entry;
  const losers = await readConflicts(transaction, { workspaceId, projectId: null, entryId, limit: REPLACES_MAX });
  if (losers.length === 0) {
    throw new SmError({
      code: 'conflict',
      message: `${entryId} has no conflict to resolve.`,
      hint: '"sm brain conflicts --org" lists those that exist; "sm brain edit" changes an entry.',
    });
  }
  requireSeen(losers, request.seen);
  const chosen = request.take === undefined ? current.entry : chooseLoser(losers, request.take).entry;
  const { updatedAt: _, ...content } = chosen;
  const [written] = await writeVersions(transaction, context, request.requestId, [
    { content: applyEdit(content, edit), current, replaces: [...new Set(losers.map(({ hash }) => hash))] },
  ]);
  return written ?? current.entry;
}

/** A version that a sync has brought since somebody looked would be settled unread. */
function requireSeen(losers: ChangeRecord[], seen: string[] | undefined): void {
  if (seen === undefined) return;
  const unseen = losers.filter(({ hash }) => !seen.some((prefix) => hash.startsWith(prefix.toLowerCase())));
  if (unseen.length === 0) return;
  throw new SmError({
    code: 'conflict',
    message: `There are versions that you have not seen: ${unseen.map(({ hash }) => hash.slice(0, 12)).join(', ')}.`,
    hint: 'Nothing was written. Look at them with "sm brain conflicts", and resolve again.',
    details: { unseen: unseen.map(({ hash }) => hash) },
  });
}

function chooseLoser(losers: ChangeRecord[], prefix: string): ChangeRecord {
  const found = losers.filter(({ hash }) => hash.startsWith(prefix.toLowerCase()));
  const [only, second] = found;
  if (prefix !== '' && only !== undefined && (second === undefined || found.every(({ hash }) => hash === only.hash))) {
    return only;
  }
  throw new SmError({
    code: found.length > 1 ? 'ambiguous' : 'not_found',
    message: `${found.length > 1 ? 'More than one' : 'No'} losing version has a hash that begins with ${JSON.stringify(prefix.slice(0, 64))}.`,
    hint: `There are ${losers.map(({ hash }) => hash.slice(0, 12)).join(', ')}.`,
  });
}

/**
 * Files entries that were recorded before there was a workspace under it, oldest first. Each keeps its place in time: its
 * stamp moves by a millisecond, and any copy of this brain gives it the very same version.
 */
export async function adopt(
  transaction: Database,
  context: WriteContext,
  { workspaceId, limit }: AdoptRequest,
): Promise<{ adopted: number; remaining: number }> {
  const { entries, total } = await listOldest(transaction, { workspaceId: '', limit });
  const outcomes = await appendChanges(
    transaction,
    entries.map(({ entry: { updatedAt, ...content }, hash }) => ({
      changeId: uuidOf(
        `stackmemory adoption ${context.replicaId} ${content.entryId} ${hash} ${updatedAt} ${workspaceId}`,
      ),
      base: hash,
      replicaId: context.replicaId,
      receivedAt: Math.floor(context.nowMs()),
      origin: 'local',
      entry: { ...(content satisfies EntryContent), workspaceId, updatedAt: updatedAt + 1 },
    })),
  );
  const adopted = [...outcomes.values()].filter((outcome) => outcome === 'applied').length;
  return { adopted, remaining: total - adopted };
}

function groupByEntry(losers: ChangeRecord[]): Map<string, ChangeRecord[]> {
  const groups = new Map<string, ChangeRecord[]>();
  for (const loser of losers) {
    const group = groups.get(loser.entry.entryId);
    if (group === undefined) groups.set(loser.entry.entryId, [loser]);
    else group.push(loser);
  }
  return groups;
}
