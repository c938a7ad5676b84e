/**
 * The log as synchronisation sees it: what is still to be pushed, which versions others may lack, what both sides hold
 * in short, and the withdrawal of versions whose time was wrong. A withdrawn version stays in the log; it is passed over.
 */
import { desc, sql } from 'drizzle-orm';
import type { Entry } from '../core/entry.ts';
import { type EntryStamp, type IdRange, type RangeDigest, digestOf } from '../protocol/digest.ts';
import { type Database, rowsOf } from './database.ts';
import { type ChangeRecord, rowToChange } from './read.ts';
import { brainChanges } from './schema.ts';
import type { StorePeer } from './sync-meta.ts';

const IS_WITHDRAWN = sql`EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = ${brainChanges.changeId})`;

/** What of a logged version crosses the wire. */
export type SentVersion = Pick<ChangeRecord, 'seq' | 'base' | 'hash' | 'replicaId' | 'replaces' | 'entry'>;

/** As brain_outgoing gives it. */
type VersionTuple = [
  seq: number,
  base: string | null,
  hash: string,
  replicaId: string,
  replaces: string[],
  updatedAt: number,
  content: Omit<Entry, 'updatedAt'>,
];

/**
 * What is to be pushed (of the workspace, and not from that server), in local order: at most `limit`, and no more content
 * than `bytesMax` (but at least one); and the last place of the log.
 */
export async function readOutgoing(
  database: Database,
  query: { peer: StorePeer; afterSeq: number; limit: number; bytesMax: number },
): Promise<{ changes: SentVersion[]; hasMore: boolean; headSeq: number; isAnyRefused: boolean }> {
  const { endpoint, workspaceId } = query.peer;
  const [page] = await rowsOf<{
    out_head: string | number;
    out_more: boolean;
    out_versions: string | null;
    out_is_refused: boolean;
  }>(
    database,
    sql`SELECT * FROM brain_outgoing(${endpoint}, ${workspaceId}, ${query.afterSeq}::bigint, ${query.limit}::integer,
      ${query.bytesMax}::bigint)`,
  );
  if (page === undefined) throw new Error('brain_outgoing gave no row');
  const versions = JSON.parse(`[${page.out_versions ?? ''}]`) as VersionTuple[];
  return {
    changes: versions.map(([seq, base, hash, replicaId, replaces, updatedAt, content]) => ({
      seq,
      base,
      hash,
      replicaId,
      replaces,
      entry: Object.assign(content, { updatedAt }),
    })),
    hasMore: page.out_more,
    headSeq: Number(page.out_head),
    isAnyRefused: page.out_is_refused,
  };
}

/** Of these entries the versions that were set aside for one of these reasons instead of being pushed. */
export async function readSetAside(
  database: Database,
  peer: StorePeer,
  { entryIds, codes }: { entryIds: string[]; codes: readonly string[] },
): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(
      sql`${brainChanges.seq} IN (SELECT r.seq FROM brain_sync_refusals r WHERE r.direction = 'push'
          AND r.endpoint = ${peer.endpoint} AND r.workspace_id = ${peer.workspaceId}
          AND r.code IN (SELECT jsonb_array_elements_text(${JSON.stringify(codes)}::jsonb))
          AND r.entry_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(entryIds)}::jsonb)))`,
    );
  return rows.map(rowToChange);
}

/** The versions of the named entries that were not withdrawn, the newest first, within the bounds. */
export async function readVersions(
  database: Database,
  query: { workspaceId: string; entryIds: string[]; limit: number; bytesMax: number },
): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(
      sql`${brainChanges.workspaceId} = ${query.workspaceId} AND NOT ${IS_WITHDRAWN} AND ${brainChanges.entryId} IN
        (SELECT jsonb_array_elements_text(${JSON.stringify(query.entryIds)}::jsonb))`,
    )
    .orderBy(desc(brainChanges.updatedAt), desc(brainChanges.hash), brainChanges.seq)
    .limit(query.limit);
  let bytes = 0;
  return rows
    .filter(({ content }, index) => (bytes += content.length) <= query.bytesMax || index === 0)
    .map(rowToChange);
}

/** The versions of entries that the brain still goes by, with those in `seqs` left out; oldest stamp first. */
export async function readRemainingVersions(
  database: Database,
  entryIds: string[],
  seqs: number[],
): Promise<{ entryId: string; seq: number; updatedAt: number }[]> {
  const rows = await rowsOf<{ entry_id: string; seq: string | number; updated_at: string | number }>(
    database,
    sql`SELECT ${brainChanges.entryId} AS entry_id, ${brainChanges.seq} AS seq, ${brainChanges.updatedAt} AS updated_at
      FROM brain_changes WHERE NOT ${IS_WITHDRAWN}
        AND ${brainChanges.entryId} IN (SELECT jsonb_array_elements_text(${JSON.stringify(entryIds)}::jsonb))
        AND ${brainChanges.seq} NOT IN (SELECT jsonb_array_elements_text(${JSON.stringify(seqs)}::jsonb)::bigint)
      ORDER BY ${brainChanges.updatedAt}`,
  );
  return rows.map((row) => ({ entryId: row.entry_id, seq: Number(row.seq), updatedAt: Number(row.updated_at) }));
}

/** Changes at these places of the log that were not withdrawn, in order. */
export async function readChangesAt(database: Database, seqs: number[]): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(
      sql`NOT ${IS_WITHDRAWN} AND ${brainChanges.seq} IN
        (SELECT jsonb_array_elements_text(${JSON.stringify(seqs)}::jsonb)::bigint)`,
    )
    .orderBy(brainChanges.seq);
  return rows.map(rowToChange);
}

/** Makes the rows of these entries anew from the log: after a withdrawal the greatest stamp is another. */
export async function remakeEntries(transaction: Database, entryIds: string[]): Promise<void> {
  const ids = sql`(SELECT jsonb_array_elements_text(${JSON.stringify(entryIds)}::jsonb))`;
  await transaction.execute(sql`DELETE FROM brain_entries WHERE entry_id IN ${ids}`);
  await transaction.execute(sql`INSERT INTO brain_entries SELECT * FROM brain_entries_by_log WHERE entry_id IN ${ids}`);
}

/** Which of these entries have versions that were withdrawn. */
export async function entriesWithWithdrawals(database: Database, entryIds: string[]): Promise<string[]> {
  const rows = await rowsOf<{ entry_id: string }>(
    database,
    sql`SELECT DISTINCT entry_id FROM brain_changes WHERE withdraws IS NOT NULL
      AND entry_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(entryIds)}::jsonb))`,
  );
  return rows.map((row) => row.entry_id);
}

/** Count and hash of the current stamps in each range; the stamps too, where there are at most `stampsMax`. */
export async function digestRanges(
  database: Database,
  query: { workspaceId: string; ranges: IdRange[]; stampsMax: number },
): Promise<RangeDigest[]> {
  const digests: RangeDigest[] = [];
  for (const range of query.ranges) {
    const rows = await rowsOf<{ entry_id: string; updated_at: string | number; hash: string }>(
      database,
      sql`SELECT entry_id, updated_at, hash FROM brain_entries WHERE workspace_id = ${query.workspaceId}
        AND entry_id >= ${range.from} AND (${range.to}::text IS NULL OR entry_id < ${range.to}) ORDER BY entry_id`,
    );
    const stamps = rows.map((row): EntryStamp => [row.entry_id, Number(row.updated_at), row.hash]);
    digests.push({
      ...range,
      count: stamps.length,
      hash: digestOf(stamps),
      ...(stamps.length <= query.stampsMax ? { stamps } : {}),
    });
  }
  return digests;
}

/** Places in the log of unresolved conflicts, by the view brain_conflicts; newest first. */
export async function readConflicts(
  database: Database,
  query: { workspaceId: string; projectId: string | null; entryId?: string; limit: number },
): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(
      sql`${brainChanges.seq} IN (SELECT seq FROM brain_conflicts WHERE workspace_id = ${query.workspaceId}
        ${query.projectId === null ? sql`` : sql`AND project_id = ${query.projectId}`}
        ${query.entryId === undefined ? sql`` : sql`AND entry_id = ${query.entryId}`})`,
    )
    .orderBy(desc(brainChanges.updatedAt), desc(brainChanges.hash))
    .limit(query.limit);
  return rows.map(rowToChange);
}

export async function countConflicts(database: Database, workspaceId: string): Promise<number> {
  const [row] = await rowsOf<{ count: string | number }>(
    database,
    sql`SELECT count(*) AS count FROM brain_conflicts WHERE workspace_id = ${workspaceId}`,
  );
  return Number(row?.count ?? 0);
}
