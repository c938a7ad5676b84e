/**
 * The tables of recall's index, in SQL: what recall reads of them, and how segments are written and dropped. What is in
 * a segment never changes; which of its documents live is told by brain_documents, which the writes of entries keep true.
 */
import { type SQL, sql } from 'drizzle-orm';
import { type Database, rowsOf } from '../store/database.ts';
import { type EntryWithHash, rowToEntry } from '../store/read.ts';
import { brainDocuments, brainEntries } from '../store/schema.ts';
import type { Document, Indexed } from './document.ts';
import { encodeSegment, SEGMENT_DOCUMENTS_MAX } from './postings.ts';

export interface Segment {
  segment: number;
  workspaceId: string;
  documents: number;
  /** Of all its documents' lengths, in halves. */
  lengthTotal: number;
  /** Places of its dead documents, and their length codes. */
  dead: [place: number, lengthCode: number][];
}

export interface StoredPostings {
  term: string;
  segment: number;
  data: Uint8Array;
}

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

/**
 * The index of a workspace as one question needs it: one statement, because each costs more than what it reads.
 * What waits is few, and each is looked up: of a join PostgreSQL makes a walk through all entries of the workspace.
 */
export async function readIndex(
  database: Database,
  workspaceId: string,
  terms: readonly string[],
): Promise<{ segments: Segment[]; waitingIds: string[]; postings: StoredPostings[] }> {
  const rows = await rowsOf<{ kind: 's' | 'w' | 'p'; key: string; segment: number; value: string }>(
    database,
    sql`SELECT 'p' AS kind, term AS key, segment, encode(data, 'base64') AS value FROM brain_postings
        WHERE term = ANY (${textArray(terms)})
      UNION ALL SELECT 's', '', s.segment, json_build_array(s.documents, s.length_total, (
          SELECT json_agg(json_build_array(d.doc - s.segment * ${SEGMENT_DOCUMENTS_MAX}::integer, d.length_code))
          FROM brain_documents d WHERE d.is_dead AND d.doc >= s.segment * ${SEGMENT_DOCUMENTS_MAX}::integer
            AND d.doc < (s.segment + 1) * ${SEGMENT_DOCUMENTS_MAX}::integer))::text
        FROM brain_segments s WHERE s.workspace_id = ${workspaceId}
      UNION ALL SELECT 'w', u.entry_id, 0, '' FROM brain_unindexed u
        WHERE (SELECT e.workspace_id FROM brain_entries e WHERE e.entry_id = u.entry_id) = ${workspaceId}`,
  );
  const ofKind = (kind: string) => rows.filter((row) => row.kind === kind);
  return {
    segments: ofKind('s').map(({ segment, value }) => {
      const [documents, lengthTotal, dead] = JSON.parse(value) as [number, number, Segment['dead'] | null];
      return { segment, workspaceId, documents, lengthTotal, dead: dead ?? [] };
    }),
    waitingIds: ofKind('w').map(({ key }) => key),
    // As base64: half of what a driver makes of bytea, and the same with each of them.
    postings: ofKind('p').map(({ key, segment, value }) => ({
      term: key,
      segment,
      data: Buffer.from(value, 'base64'),
    })),
  };
}

/** The postings of these terms in every segment. */
export async function readPostings(database: Database, terms: readonly string[]): Promise<StoredPostings[]> {
  if (terms.length === 0) return [];
  const rows = await rowsOf<{ term: string; segment: number; value: string }>(
    database,
    sql`SELECT term, segment, encode(data, 'base64') AS value FROM brain_postings WHERE term = ANY (${textArray(terms)})`,
  );
  return rows.map(({ term, segment, value }) => ({ term, segment, data: Buffer.from(value, 'base64') }));
}

function integerArray(integers: readonly number[]): SQL {
  return sql`string_to_array(${integers.join(',')}, ',')::integer[]`;
}

function textArray(texts: readonly string[]): SQL {
  return sql`ARRAY(SELECT json_array_elements_text(${JSON.stringify(texts)}::json))`;
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

/** Terms that segments have from `first` (included) to `end` (not included), at most `limit`. */
export async function readTermsBetween(
  database: Database,
  range: { first: string; end: string; limit: number },
): Promise<string[]> {
  const rows = await rowsOf<{ term: string }>(
    database,
    sql`SELECT DISTINCT term FROM (
        SELECT term FROM brain_postings WHERE term >= ${range.first} AND term < ${range.end} ORDER BY term LIMIT ${range.limit}
      ) AS part ORDER BY term`,
  );
  return rows.map(({ term }) => term);
}

/**
 * The entries of these documents, by document; the dead are absent. By id alone: with a scope beside it PostgreSQL reads
 * the whole scope, and with a new table's statistics it does so for any number of ids.
 */
export async function readEntriesOf(database: Database, docs: number[]): Promise<Map<number, EntryWithHash>> {
  if (docs.length === 0) return new Map();
  const rows = await database
    .select({
      entry: brainEntries,
      doc: sql<number>`(SELECT d.doc FROM brain_documents d WHERE d.entry_id = brain_entries.entry_id AND NOT d.is_dead)`,
    })
    .from(brainEntries)
    .where(
      sql`${brainEntries.entryId} = ANY (ARRAY(SELECT d.entry_id FROM brain_documents d WHERE NOT d.is_dead
        AND d.doc = ANY (${integerArray(docs)})))`,
    );
  return new Map(rows.map(({ doc, entry }) => [doc, { entry: rowToEntry(entry), hash: entry.hash }]));
}

/** The newest of these documents, at most `limit`, without reading more of their entries than their dates. */
export async function readNewestOf(
  database: Database,
  docs: number[],
  limit: number,
): Promise<{ doc: number; updatedAt: number; entryId: string }[]> {
  if (docs.length === 0) return [];
  const rows = await rowsOf<{ doc: number; updated_at: string | number; entry_id: string }>(
    database,
    sql`SELECT d.doc, e.updated_at, e.entry_id FROM brain_documents d JOIN brain_entries e ON e.entry_id = d.entry_id
      WHERE NOT d.is_dead AND d.doc = ANY (${integerArray(docs)})
      ORDER BY e.updated_at DESC, e.entry_id COLLATE "C" DESC LIMIT ${limit}`,
  );
  return rows.map((row) => ({ doc: row.doc, updatedAt: Number(row.updated_at), entryId: row.entry_id }));
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
