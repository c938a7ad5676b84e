/**
 * The segments of recall's index, in SQL: what waits for one, how they are written, read whole and dropped. What is in
 * a segment never changes; which of its documents live is told by brain_documents, which the writes of entries keep true.
 */
import { sql } from 'drizzle-orm';
import { type Database, rowsOf } from '../store/database.ts';
import { brainDocuments, brainEntries } from '../store/schema.ts';
import type { Document, Indexed } from './document.ts';
import type { Segment } from './index-tables.ts';
import { encodeSegment, SEGMENT_DOCUMENTS_MAX } from './postings.ts';

/** Every segment of every workspace. */
export async function readSegments(database: Database): Promise<Segment[]> {
  const rows = await rowsOf<{
    segment: number;
    workspace_id: string;
    documents: number;
    length_total: number;
    dead: Segment['dead'] | null;
  }>(
    database,
    sql`WITH dead AS MATERIALIZED (
        SELECT doc / ${SEGMENT_DOCUMENTS_MAX}::integer AS segment,
          json_agg(json_build_array(doc % ${SEGMENT_DOCUMENTS_MAX}::integer, length_code)) AS places
        FROM brain_documents WHERE is_dead GROUP BY 1
      )
      SELECT s.segment, s.workspace_id, s.documents, s.length_total, d.places AS dead
      FROM brain_segments s LEFT JOIN dead d ON d.segment = s.segment ORDER BY s.segment`,
  );
  return rows.map((row) => ({
    segment: row.segment,
    workspaceId: row.workspace_id,
    documents: row.documents,
    lengthTotal: row.length_total,
    dead: row.dead ?? [],
  }));
}

/** Every posting of a segment, by term; and its documents. */
export async function readSegmentPostings(
  database: Database,
  segment: number,
): Promise<{ term: string; data: Uint8Array }[]> {
  const rows = await rowsOf<{ term: string; value: string }>(
    database,
    sql`SELECT term, encode(data, 'base64') AS value FROM brain_postings WHERE segment = ${segment} ORDER BY term`,
  );
  return rows.map(({ term, value }) => ({ term, data: Buffer.from(value, 'base64') }));
}

export async function readDocuments(
  database: Database,
  segment: number,
): Promise<{ doc: number; lengthCode: number; isDead: boolean }[]> {
  const first = segment * SEGMENT_DOCUMENTS_MAX;
  return database
    .select({ doc: brainDocuments.doc, lengthCode: brainDocuments.lengthCode, isDead: brainDocuments.isDead })
    .from(brainDocuments)
    .where(sql`${brainDocuments.doc} >= ${first} AND ${brainDocuments.doc} < ${first + SEGMENT_DOCUMENTS_MAX}`);
}

/** How many entries are in no segment, counted up to `atMost`. */
export async function countUnindexed(database: Database, atMost: number): Promise<number> {
  const [row] = await rowsOf<{ count: string | number }>(
    database,
    sql`SELECT count(*) AS count FROM (SELECT FROM brain_unindexed LIMIT ${atMost}) AS part`,
  );
  return Number(row?.count ?? 0);
}

/** Bytes of text of the entries that are in no segment. It looks each of them up: few should be. */
export async function sumUnindexedText(database: Database): Promise<number> {
  const [row] = await rowsOf<{ bytes: string | number | null }>(
    database,
    sql`SELECT sum((SELECT octet_length(e.title) + octet_length(e.conclusion) + octet_length(e.summary)
      FROM brain_entries e WHERE e.entry_id = u.entry_id)) AS bytes FROM brain_unindexed u`,
  );
  return Number(row?.bytes ?? 0);
}

/** An entry as far as its document depends on it. */
export interface Unindexed extends Indexed {
  entryId: string;
  workspaceId: string;
}

/**
 * Entries for the next segment: of one workspace, at most a segment full, and no more text than `bytesMax` (but one). What
 * it reads does not depend on how many wait.
 */
export async function readForSegment(database: Database, bytesMax: number): Promise<Unindexed[]> {
  return database
    .select({
      entryId: brainEntries.entryId,
      workspaceId: brainEntries.workspaceId,
      projectId: brainEntries.projectId,
      agent: brainEntries.agent,
      kind: brainEntries.kind,
      status: brainEntries.status,
      title: brainEntries.title,
      conclusion: brainEntries.conclusion,
      summary: brainEntries.summary,
      tags: brainEntries.tags,
      refs: brainEntries.refs,
    })
    .from(brainEntries)
    .where(
      sql`${brainEntries.entryId} IN (
        SELECT entry_id FROM (
          SELECT e.entry_id, row_number() OVER (ORDER BY e.entry_id) AS nth,
            sum(octet_length(e.title) + octet_length(e.conclusion) + octet_length(e.summary)) OVER (ORDER BY e.entry_id) AS bytes
          FROM (
            SELECT u.entry_id FROM brain_unindexed u
            WHERE (SELECT w.workspace_id FROM brain_entries w WHERE w.entry_id = u.entry_id) = (
              SELECT f.workspace_id FROM brain_entries f WHERE f.entry_id = (
                SELECT g.entry_id FROM brain_unindexed g ORDER BY g.entry_id LIMIT 1))
            ORDER BY u.entry_id LIMIT ${SEGMENT_DOCUMENTS_MAX}
          ) AS next JOIN brain_entries e ON e.entry_id = next.entry_id
        ) AS sized WHERE nth = 1 OR bytes <= ${bytesMax})`,
    )
    .orderBy(brainEntries.entryId);
}

/** Writes a segment of documents, which are of one workspace and in no other segment. */
export async function writeSegment(
  transaction: Database,
  workspaceId: string,
  documents: { entryId: string; document: Document; length: number }[],
): Promise<void> {
  const [next] = await rowsOf<{ segment: number }>(
    transaction,
    sql`SELECT greatest((SELECT max(segment) FROM brain_segments), (SELECT max(doc) / ${SEGMENT_DOCUMENTS_MAX}::integer
      FROM brain_documents), 0) + 1 AS segment`,
  );
  const segment = next?.segment ?? 1;
  const lengthTotal = documents.reduce((sum, { length }) => sum + length, 0);
  await transaction.execute(sql`INSERT INTO brain_segments (segment, workspace_id, documents, length_total)
    VALUES (${segment}, ${workspaceId}, ${documents.length}, ${lengthTotal})`);
  const rows = documents.map(({ entryId, document }, place) => ({
    doc: segment * SEGMENT_DOCUMENTS_MAX + place,
    entry_id: entryId,
    length_code: document.lengthCode,
  }));
  await transaction.execute(sql`INSERT INTO brain_documents (doc, entry_id, length_code)
    SELECT doc, entry_id, length_code FROM json_to_recordset(${JSON.stringify(rows)}::json)
      AS d(doc integer, entry_id text, length_code smallint)`);
  const postings = [...encodeSegment(documents.map(({ document }) => document))].map(([term, data]) => ({
    t: term,
    d: Buffer.from(data).toString('base64'),
  }));
  await transaction.execute(sql`INSERT INTO brain_postings (term, segment, data)
    SELECT t, ${segment}, decode(d, 'base64') FROM json_to_recordset(${JSON.stringify(postings)}::json) AS p(t text, d text)`);
  await transaction.execute(sql`DELETE FROM brain_unindexed WHERE entry_id = ANY (ARRAY(
    SELECT json_array_elements_text(${JSON.stringify(documents.map(({ entryId }) => entryId))}::json)))`);
}

/** Drops segments; what lives in them waits for another. */
export async function dropSegments(transaction: Database, segments: number[]): Promise<void> {
  for (const segment of segments) {
    const first = segment * SEGMENT_DOCUMENTS_MAX;
    const documents = sql`doc >= ${first} AND doc < ${first + SEGMENT_DOCUMENTS_MAX}`;
    await transaction.execute(sql`INSERT INTO brain_unindexed
      SELECT entry_id FROM brain_documents WHERE ${documents} AND NOT is_dead ON CONFLICT DO NOTHING`);
    await transaction.execute(sql`DELETE FROM brain_documents WHERE ${documents}`);
    await transaction.execute(sql`DELETE FROM brain_postings WHERE segment = ${segment}`);
    await transaction.execute(sql`DELETE FROM brain_segments WHERE segment = ${segment}`);
  }
}
