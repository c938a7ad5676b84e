/**
 * Every question that is asked of the entries and of the log, save for recall's. Owns the mapping from rows to
 * entries. Writes nothing.
 */
import { and, asc, count, desc, eq, gt, gte, inArray, like, lt, lte, sql } from 'drizzle-orm';
import type { Entry, EntryStatus } from '../core/entry.ts';
import type { MergeOutcome } from '../core/merge.ts';
import { type Database, rowsOf } from './database.ts';
import { entryCondition, type StoreFilter, type StoreScope } from './filter.ts';
import { brainChanges, brainEntries } from './schema.ts';

/** A version in the log. The same shape as the brain's LoggedChange. */
export interface ChangeRecord {
  seq: number;
  changeId: string;
  base: string | null;
  hash: string;
  replicaId: string;
  receivedAt: number;
  origin: string;
  outcome: MergeOutcome;
  /** Hashes of versions, besides `base`, that it is known to have replaced. */
  replaces: string[];
  /** The change that it withdraws. */
  withdraws: string | null;
  entry: Entry;
}

export interface EntryWithHash {
  entry: Entry;
  hash: string;
}

type EntryRow = typeof brainEntries.$inferSelect;
type ChangeRow = typeof brainChanges.$inferSelect;

/**
 * As they were at a time: the entries of a workspace that have been changed since, and that were there then. What was not
 * changed since is as it is now.
 */
export async function readPast(
  database: Database,
  { workspaceId }: StoreScope,
  atMs: number,
): Promise<Map<string, EntryWithHash>> {
  const rows = await rowsOf<{ entry_id: string; updated_at: string | number; hash: string; content: string }>(
    database,
    sql`SELECT DISTINCT ON (c.entry_id) c.entry_id, c.updated_at, c.hash, c.content
      FROM brain_entries e JOIN brain_changes c ON c.entry_id = e.entry_id
      WHERE e.workspace_id = ${workspaceId} AND e.updated_at > ${atMs} AND c.updated_at <= ${atMs}
        AND NOT EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = c.change_id)
      ORDER BY c.entry_id, c.updated_at DESC, c.hash DESC`,
  );
  return new Map(
    rows.map((row) => {
      const content = JSON.parse(row.content) as Omit<Entry, 'updatedAt'>;
      return [row.entry_id, { entry: toEntry(content, Number(row.updated_at)), hash: row.hash }];
    }),
  );
}

/** Newest first. */
export async function listEntries(
  database: Database,
  query: { scope: StoreScope; filter: StoreFilter; limit: number },
): Promise<Entry[]> {
  const rows = await database
    .select()
    .from(brainEntries)
    .where(entryCondition(query.scope, query.filter))
    .orderBy(desc(brainEntries.updatedAt), desc(brainEntries.entryId))
    .limit(query.limit);
  return rows.map(rowToEntry);
}

/** The current versions of the named entries, by id; unknown ids are absent. */
export async function readEntries(database: Database, entryIds: string[]): Promise<Map<string, EntryWithHash>> {
  if (entryIds.length === 0) return new Map();
  const rows = await database
    .select()
    .from(brainEntries)
    .where(
      sql`${brainEntries.entryId} = ANY (ARRAY(SELECT json_array_elements_text(${JSON.stringify(entryIds)}::json)))`,
    );
  return new Map(rows.map((row) => [row.entryId, { entry: rowToEntry(row), hash: row.hash }]));
}

/** Entries of a workspace whose id begins with `prefix` (hex digits and hyphens only), at most `limit`, by id. */
export async function findByPrefix(
  database: Database,
  query: { workspaceId: string; prefix: string; limit: number },
): Promise<EntryWithHash[]> {
  const rows = await database
    .select()
    .from(brainEntries)
    .where(and(eq(brainEntries.workspaceId, query.workspaceId), like(brainEntries.entryId, `${query.prefix}%`)))
    .orderBy(asc(brainEntries.entryId))
    .limit(query.limit);
  return rows.map((row) => ({ entry: rowToEntry(row), hash: row.hash }));
}

/** Every version of an entry, newest stamp first. */
export async function readHistory(database: Database, entryId: string): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(eq(brainChanges.entryId, entryId))
    .orderBy(desc(brainChanges.updatedAt), desc(brainChanges.hash), asc(brainChanges.seq));
  return rows.map(rowToChange);
}

/** The one that counts of an entry's versions, newest stamp first: the newest that was not withdrawn. */
export function currentVersion(versions: ChangeRecord[]): ChangeRecord | undefined {
  const withdrawn = new Set(versions.map(({ withdraws }) => withdraws));
  return versions.find(({ changeId }) => !withdrawn.has(changeId));
}

/** Changes that the log has under these ids, in local order. */
export async function readChangesById(database: Database, changeIds: string[]): Promise<ChangeRecord[]> {
  if (changeIds.length === 0) return [];
  const rows = await database
    .select()
    .from(brainChanges)
    .where(inArray(brainChanges.changeId, changeIds))
    .orderBy(asc(brainChanges.seq));
  return rows.map(rowToChange);
}

/** The newest changes of a scope, newest first. */
export async function readLog(
  database: Database,
  query: { scope: StoreScope; sinceMs?: number; limit: number },
): Promise<ChangeRecord[]> {
  const rows = await database
    .select()
    .from(brainChanges)
    .where(
      and(
        eq(brainChanges.workspaceId, query.scope.workspaceId),
        query.scope.projectId === null ? undefined : eq(brainChanges.projectId, query.scope.projectId),
        query.sinceMs === undefined ? undefined : gte(brainChanges.receivedAt, query.sinceMs),
      ),
    )
    .orderBy(desc(brainChanges.seq))
    .limit(query.limit);
  return rows.map(rowToChange);
}

/** Changes after `afterSeq` in local order: at most `limit`, and no more content than `bytesMax` (but at least one). */
export async function readLogPage(
  database: Database,
  query: { afterSeq: number; limit: number; bytesMax: number },
): Promise<{ changes: ChangeRecord[]; hasMore: boolean }> {
  // Where the page ends is found first, from lengths alone: its contents could be more than memory holds.
  const ends = await rowsOf<{ seq: string | number; bytes: string | number }>(
    database,
    sql`SELECT seq, sum(octet_length(content)) OVER (ORDER BY seq) AS bytes FROM brain_changes
      WHERE seq > ${query.afterSeq} ORDER BY seq LIMIT ${query.limit + 1}`,
  );
  const taken = ends.filter(
    ({ bytes }, index) => index < query.limit && (index === 0 || Number(bytes) <= query.bytesMax),
  );
  const last = taken.at(-1);
  if (last === undefined) return { changes: [], hasMore: false };
  const rows = await database
    .select()
    .from(brainChanges)
    .where(and(gt(brainChanges.seq, query.afterSeq), lte(brainChanges.seq, Number(last.seq))))
    .orderBy(asc(brainChanges.seq));
  return { changes: rows.map(rowToChange), hasMore: taken.length < ends.length };
}

/** The entries of a workspace that were updated least recently, and how many it has. */
export async function listOldest(
  database: Database,
  query: { workspaceId: string; limit: number },
): Promise<{ entries: EntryWithHash[]; total: number }> {
  const rows = await database
    .select()
    .from(brainEntries)
    .where(eq(brainEntries.workspaceId, query.workspaceId))
    .orderBy(asc(brainEntries.updatedAt), asc(brainEntries.entryId))
    .limit(query.limit);
  const [all] = await database
    .select({ total: count() })
    .from(brainEntries)
    .where(eq(brainEntries.workspaceId, query.workspaceId));
  return { entries: rows.map((row) => ({ entry: rowToEntry(row), hash: row.hash })), total: all?.total ?? 0 };
}

/** Where in the log the current versions of these entries are. */
export async function readCurrentPlaces(database: Database, entryIds: string[]): Promise<Map<string, number>> {
  const rows = await rowsOf<{ entry_id: string; seq: string | number }>(
    database,
    sql`SELECT e.entry_id, min(c.seq) AS seq FROM brain_entries e
      JOIN brain_changes c ON c.entry_id = e.entry_id AND c.updated_at = e.updated_at AND c.hash = e.hash
      WHERE e.entry_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(entryIds)}::jsonb)) GROUP BY e.entry_id`,
  );
  return new Map(rows.map((row) => [row.entry_id, Number(row.seq)]));
}

/** Counts for `status`. */
export async function countEntries(
  database: Database,
  workspaceId: string,
): Promise<{ projectId: string; kind: Entry['kind']; status: EntryStatus; count: number }[]> {
  return database
    .select({
      projectId: brainEntries.projectId,
      kind: brainEntries.kind,
      status: brainEntries.status,
      count: count(),
    })
    .from(brainEntries)
    .where(eq(brainEntries.workspaceId, workspaceId))
    .groupBy(brainEntries.projectId, brainEntries.kind, brainEntries.status);
}

/** Entries that are not retracted, by steps of the time at which they were made, kind and agent. */
export async function countActivity(
  database: Database,
  { scope, sinceMs, stepMs, steps }: { scope: StoreScope; sinceMs: number; stepMs: number; steps: number },
): Promise<{ step: number; kind: Entry['kind']; agent: string; count: number }[]> {
  const step = sql<number>`((${brainEntries.createdAt} - ${sinceMs}::bigint) / ${stepMs}::bigint)::integer`;
  const rows = await database
    .select({ step, kind: brainEntries.kind, agent: brainEntries.agent, count: count() })
    .from(brainEntries)
    .where(
      and(
        entryCondition(scope, { statuses: ['active', 'superseded'] }),
        gte(brainEntries.createdAt, sinceMs),
        lt(brainEntries.createdAt, sinceMs + stepMs * steps),
      ),
    )
    // By place: the same expression with other parameters would not be the same to PostgreSQL.
    .groupBy(sql`1`, brainEntries.kind, brainEntries.agent)
    .orderBy(sql`1`, brainEntries.kind, brainEntries.agent);
  return rows;
}

export async function countAll(
  database: Database,
): Promise<{ changes: number; entries: number; lastChangeAt: number | null; bytes: number }> {
  const [row] = await rowsOf<Record<'changes' | 'entries' | 'last_change_at' | 'bytes', string | number | null>>(
    database,
    sql`SELECT (SELECT coalesce(max(seq), 0) FROM brain_changes) AS changes, (SELECT count(*) FROM brain_entries) AS entries,
      (SELECT received_at FROM brain_changes ORDER BY seq DESC LIMIT 1) AS last_change_at,
      pg_database_size(current_database()) AS bytes`,
  );
  return {
    changes: Number(row?.changes ?? 0),
    entries: Number(row?.entries ?? 0),
    lastChangeAt: row?.last_change_at == null ? null : Number(row.last_change_at),
    bytes: Number(row?.bytes ?? 0),
  };
}

/** An entry with its fields in their documented order and `supersededBy` only where it is set. */
export function rowToEntry(row: EntryRow): Entry {
  return {
    entryId: row.entryId,
    workspaceId: row.workspaceId,
    projectId: row.projectId,
    agent: row.agent,
    kind: row.kind,
    title: row.title,
    summary: row.summary,
    conclusion: row.conclusion,
    tags: row.tags,
    refs: row.refs,
    confidence: row.confidence,
    status: row.status,
    ...(row.supersededBy === null ? {} : { supersededBy: row.supersededBy }),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}

export function rowToChange(row: ChangeRow): ChangeRecord {
  const content = JSON.parse(row.content) as Omit<Entry, 'updatedAt'>;
  return {
    seq: row.seq,
    changeId: row.changeId,
    base: row.base,
    hash: row.hash,
    replicaId: row.replicaId,
    receivedAt: row.receivedAt,
    origin: row.origin,
    outcome: row.outcome,
    replaces: row.replaces,
    withdraws: row.withdraws,
    entry: toEntry(content, row.updatedAt),
  };
}

/** Of its content in the log and its time. */
function toEntry(content: Omit<Entry, 'updatedAt'>, updatedAt: number): Entry {
  return rowToEntry({ ...content, supersededBy: content.supersededBy ?? null, updatedAt, hash: '' });
}
