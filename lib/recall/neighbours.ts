/** The ids beside some ids: who is told apart from these is told apart from all. */
import { sql } from 'drizzle-orm';
import { type Database, rowsOf } from '../store/database.ts';

/** By id alone, so that each is one step in an index (see index-tables.ts, readEntriesOf). */
export async function readNeighbours(database: Database, ids: readonly string[]): Promise<string[]> {
  const rows = await rowsOf<{ before: string | null; after: string | null }>(
    database,
    sql`SELECT (SELECT b.entry_id FROM brain_entries b WHERE b.entry_id < i.id ORDER BY b.entry_id DESC LIMIT 1) AS before,
        (SELECT a.entry_id FROM brain_entries a WHERE a.entry_id > i.id ORDER BY a.entry_id LIMIT 1) AS after
      FROM (SELECT json_array_elements_text(${JSON.stringify(ids)}::json) COLLATE "C" AS id) AS i`,
  );
  return rows.flatMap(({ before, after }) => [before, after]).filter((id) => id !== null);
}
