/**
 * Entries of a server that only speaks protocol 1, as changes. They tell no ancestry: one that replaces a version which
 * that server knew is taken as written on top of it; one that meets a version which was never pushed is not, so that the
 * latter is shown as a conflict.
 */
import { canonicalContent } from '../core/canonical.ts';
import type { Entry } from '../core/entry.ts';
import { type ParsedChange, parseChange } from '../protocol/change.ts';
import { uuidOf, wireChangeId } from '../protocol/identity.ts';
import type { Database } from '../store/database.ts';
import { readCurrentPlaces, readEntries } from '../store/read.ts';

/** The replica of versions whose writer is not told. */
const UNKNOWN_REPLICA_ID = '00000000-0000-4000-8000-000000000001';

export async function changesOfProtocol1(
  database: Database,
  entries: unknown[],
  { workspaceId, scannedSeq }: { workspaceId: string; scannedSeq: number },
): Promise<ParsedChange[]> {
  const parsed = entries.map((entry) => {
    const fields = typeof entry === 'object' && entry !== null ? entry : {};
    // What that protocol has no word for is not taken from it.
    const { replaces: _, seq: __, ...told } = fields as Record<string, unknown>;
    const changeId = uuidOf(`stackmemory entry ${JSON.stringify(entry)}`);
    return parseChange({ ...told, changeId, base: null, replicaId: UNKNOWN_REPLICA_ID }, workspaceId);
  });
  const ids = parsed.flatMap((item) => ('change' in item ? [item.change.entry.entryId] : []));
  const current = await readEntries(database, ids);
  const places = await readCurrentPlaces(database, ids);
  return parsed.flatMap((item): ParsedChange[] => {
    if (!('change' in item)) return [item];
    const { change } = item;
    const known = current.get(change.entry.entryId);
    if (known !== undefined && isRetractedEcho(known.entry, change.entry)) return [];
    const isNewer = known !== undefined && change.entry.updatedAt > known.entry.updatedAt;
    const wasPushed = (places.get(change.entry.entryId) ?? 0) <= scannedSeq;
    const { entryId, updatedAt } = change.entry;
    const changeId = wireChangeId({ replicaId: UNKNOWN_REPLICA_ID, entryId, updatedAt, hash: change.hash });
    return [{ change: { ...change, changeId, base: isNewer && wasPushed ? known.hash : null } }];
  });
}

/** Protocol 1 has no word for a retracted entry: it goes out as superseded, and must not come back as that. */
export function isRetractedEcho(current: Entry, incoming: Entry): boolean {
  if (current.status !== 'retracted' || incoming.status !== 'superseded') return false;
  const { updatedAt, ...content } = current;
  const { updatedAt: incomingAt, ...incomingContent } = incoming;
  return (
    updatedAt === incomingAt &&
    canonicalContent({ ...content, status: 'superseded' }) === canonicalContent(incomingContent)
  );
}
