/**
 * The vectors of entries, in SQL: which model they are of, which entries are still to be embedded, and the vectors
 * themselves. Progress is a place in the log, so that what comes after a crash goes on where the last commit was, and
 * nobody ever has to compare all entries with all vectors.
 */
import { inArray, sql } from 'drizzle-orm';
import type { StoredVector, VectorModel } from '../core/embedding.ts';
import type { Entry } from '../core/entry.ts';
import { type Database, rowsOf } from '../store/database.ts';
import { readEntries } from '../store/read.ts';
import { brainVectors } from '../store/schema.ts';
import { fromBase64 } from './vectors.ts';

const META_KEY = 'embeddings';

export interface VectorState extends VectorModel {
  /** Place in the log up to which entries have been looked at. */
  seq: number;
}

export async function readVectorState(database: Database): Promise<VectorState | undefined> {
  const [row] = await rowsOf<{ value: string }>(database, sql`SELECT value FROM brain_meta WHERE key = ${META_KEY}`);
  return row === undefined ? undefined : (JSON.parse(row.value) as VectorState);
}

export async function countVectors(database: Database): Promise<number> {
  const [row] = await rowsOf<{ count: string | number }>(database, sql`SELECT count(*) AS count FROM brain_vectors`);
  return Number(row?.count ?? 0);
}

/** Changes that come after that place in the log. */
export async function countLeft(database: Database, seq: number): Promise<number> {
  const [row] = await rowsOf<{ left: string | number }>(
    database,
    sql`SELECT coalesce(max(seq), 0) - ${seq} AS left FROM brain_changes`,
  );
  return Math.max(0, Number(row?.left ?? 0));
}

/** Forgets every vector; those of this model begin at the beginning. */
export async function beginVectors(transaction: Database, model: VectorModel): Promise<void> {
  await transaction.execute(sql`DELETE FROM brain_vectors`);
  await writeState(transaction, { ...model, seq: 0 });
}

/** The entries of the next `limit` changes, and the hashes of the texts of theirs that have vectors. */
export async function readUnembedded(
  database: Database,
  { seq }: VectorState,
  limit: number,
): Promise<{ entries: Entry[]; textHashes: Map<string, string>; upToSeq: number; left: number }> {
  const changes = await rowsOf<{ entry_id: string; seq: string | number }>(
    database,
    sql`SELECT entry_id, seq FROM brain_changes WHERE seq > ${seq} ORDER BY seq LIMIT ${limit}`,
  );
  const upToSeq = changes.reduce((greatest, row) => Math.max(greatest, Number(row.seq)), seq);
  const ids = [...new Set(changes.map((row) => row.entry_id))];
  const entries = await readEntries(database, ids);
  const known = await database
    .select({ entryId: brainVectors.entryId, textHash: brainVectors.textHash })
    .from(brainVectors)
    .where(inArray(brainVectors.entryId, ids));
  return {
    entries: [...entries.values()].map(({ entry }) => entry),
    textHashes: new Map(known.map(({ entryId, textHash }) => [entryId, textHash])),
    upToSeq,
    left: await countLeft(database, upToSeq),
  };
}

/** Writes vectors and how far they have come, in the caller's transaction. */
export async function writeVectors(
  transaction: Database,
  state: VectorState,
  vectors: readonly StoredVector[],
): Promise<void> {
  await transaction.execute(sql`INSERT INTO brain_vectors (entry_id, workspace_id, text_hash, data)
    SELECT "entryId", "workspaceId", "textHash", decode(data, 'base64')
    FROM json_to_recordset(${JSON.stringify(vectors)}::json)
      AS v("entryId" text, "workspaceId" text, "textHash" text, data text)
    ON CONFLICT (entry_id) DO UPDATE SET
      workspace_id = excluded.workspace_id, text_hash = excluded.text_hash, data = excluded.data`);
  await writeState(transaction, state);
}

/** A page of a workspace's vectors, by id, after one. */
export async function readVectors(
  database: Database,
  { workspaceId, afterId, limit }: { workspaceId: string; afterId: string; limit: number },
): Promise<{ entryId: string; vector: Int8Array }[]> {
  const rows = await rowsOf<{ entry_id: string; value: string }>(
    database,
    sql`SELECT entry_id, encode(data, 'base64') AS value FROM brain_vectors
      WHERE workspace_id = ${workspaceId} AND entry_id > ${afterId} ORDER BY entry_id LIMIT ${limit}`,
  );
  return rows.map(({ entry_id: entryId, value }) => ({ entryId, vector: fromBase64(value) }));
}

async function writeState(transaction: Database, state: VectorState): Promise<void> {
  await transaction.execute(sql`INSERT INTO brain_meta (key, value) VALUES (${META_KEY}, ${JSON.stringify(state)})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`);
}
