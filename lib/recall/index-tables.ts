/**
 * What a question reads of the tables of recall's index, in SQL: postings, segments, what waits, and the entries behind
 * documents. Reads only; segments are written by segments.ts.
 */
import { type SQL, sql } from 'drizzle-orm';
import { type Database, rowsOf } from '../store/database.ts';
import { type EntryWithHash, rowToEntry } from '../store/read.ts';
import { brainEntries } from '../store/schema.ts';
import { SEGMENT_DOCUMENTS_MAX } from './postings.ts';

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
