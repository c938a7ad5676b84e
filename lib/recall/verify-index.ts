/**
 * Holds recall's index against the entries: the postings of what is in segments are those that the entries give anew, and
 * every entry is in exactly one segment or waits for one. Reads one segment at a time.
 */
import { sql } from 'drizzle-orm';
import { type Database, rowsOf } from '../store/database.ts';
import { documentOf, lengthOf } from './document.ts';
import { readEntriesOf, type Segment } from './index-tables.ts';
import { decodePostings, SEGMENT_DOCUMENTS_MAX } from './postings.ts';
import { readDocuments, readSegmentPostings, readSegments } from './segments.ts';

const FINDINGS_MAX = 20;
/** Lengths are sums of fractions. */
const LENGTH_TOLERANCE = 1e-6;

/** What is wrong, in words; nothing where the index is as it should be. */
export async function verifyIndex(database: Database): Promise<string[]> {
  const errors: string[] = [];
  for (const segment of await readSegments(database)) {
    errors.push(...(await verifySegment(database, segment)));
    if (errors.length >= FINDINGS_MAX) break;
  }
  errors.push(...(await verifyPlaces(database)));
  return errors.slice(0, FINDINGS_MAX);
}

async function verifySegment(database: Database, { segment, dead, lengthTotal }: Segment): Promise<string[]> {
  const documents = await readDocuments(database, segment);
  const living = documents.filter(({ isDead }) => !isDead);
  const entries = await readEntriesOf(
    database,
    living.map(({ doc }) => doc),
  );
  const expected = new Map<string, string>();
  for (const { doc, lengthCode } of living) {
    const found = entries.get(doc);
    if (found === undefined) continue; // verifyPlaces tells of it.
    const document = documentOf(found.entry);
    const place = doc % SEGMENT_DOCUMENTS_MAX;
    for (const [term, weight] of document.weights) expected.set(`${place} ${term}`, `${weight} ${document.lengthCode}`);
    for (const term of document.attributes) expected.set(`${place} ${term}`, `0 ${document.lengthCode}`);
    if (document.lengthCode !== lengthCode) expected.set(`${place} `, 'another length');
  }
  const errors: string[] = [];
  const length = documents.reduce((sum, { lengthCode }) => sum + lengthOf(lengthCode), 0);
  if (Math.abs(length - lengthTotal) > LENGTH_TOLERANCE * (1 + length))
    errors.push(`segment ${segment}: another length`);
  const deadPlaces = new Set(dead.map(([place]) => place));
  for (const { term, data } of await readSegmentPostings(database, segment)) {
    for (const { place, weight, lengthCode } of decodePostings(data)) {
      const key = `${place} ${term}`;
      if (!deadPlaces.has(place) && expected.get(key) !== `${weight} ${lengthCode}`) {
        errors.push(`segment ${segment}: ${JSON.stringify(term)} of document ${place} is not as its entry says`);
      }
      expected.delete(key);
    }
  }
  for (const key of expected.keys()) errors.push(`segment ${segment}: ${JSON.stringify(key)} is missing`);
  return errors;
}

/** Entries that are nowhere or in two places, and places of no entry. */
async function verifyPlaces(database: Database): Promise<string[]> {
  const rows = await rowsOf<{ entry_id: string; places: string | number }>(
    database,
    sql`SELECT coalesce(e.entry_id, p.entry_id) AS entry_id, count(p.entry_id) AS places FROM brain_entries e
      FULL JOIN (
        SELECT entry_id FROM brain_documents WHERE NOT is_dead UNION ALL SELECT entry_id FROM brain_unindexed
      ) AS p ON p.entry_id = e.entry_id
      GROUP BY 1 HAVING count(p.entry_id) <> 1 OR count(e.entry_id) <> 1 ORDER BY 1 LIMIT ${FINDINGS_MAX}`,
  );
  return rows.map(({ entry_id: entryId, places }) => `${entryId} is in ${places} places of the index`);
}
