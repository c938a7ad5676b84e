/**
 * Holds the entries against the log, and makes them anew from it. The log is the truth: rebuilding gives the same
 * bytes, or repairs what was not as the log says.
 */
import { type SQL, sql } from 'drizzle-orm';
import { type Database, isPanic, rowsOf, sqlStateOf } from './database.ts';

/** At most this many ids are listed of each kind of finding. */
const FINDINGS_MAX = 20;

export interface StoreVerification {
  changes: number;
  entries: number;
  badHashes: string[];
  mismatches: string[];
  structureErrors: string[];
  isSound: boolean;
}

/**
 * Reads everything: the structure by amcheck, hashes, log against entries, gaps in the log. A part that cannot be read
 * is a finding too, not a failure: this is what one turns to when something is broken.
 */
export async function verifyStore(database: Database): Promise<StoreVerification> {
  const structureErrors = await checkStructure(database);
  const examine = async <Row>(what: string, query: SQL): Promise<Row[]> => {
    try {
      return await rowsOf<Row>(database, query);
    } catch (error) {
      structureErrors.push(`${what} cannot be read: ${findingOf(error)}`);
      return [];
    }
  };
  const badHashes = await examine<{ change_id: string }>(
    'the log',
    sql`SELECT change_id FROM brain_changes
      WHERE hash <> encode(sha256(convert_to(content, 'UTF8')), 'hex') ORDER BY seq LIMIT ${FINDINGS_MAX}`,
  );
  const mismatches = await examine<{ entry_id: string }>(
    'the log against the entries',
    sql`SELECT coalesce(expected.entry_id, e.entry_id) AS entry_id
      FROM brain_entries_by_log AS expected FULL JOIN brain_entries e ON e.entry_id = expected.entry_id
      WHERE e IS DISTINCT FROM expected ORDER BY 1 LIMIT ${FINDINGS_MAX}`,
  );
  const [totals] = await examine<{ changes: string; newest: string; entries: string }>(
    'the counts',
    sql`SELECT (SELECT count(*) FROM brain_changes) AS changes, (SELECT coalesce(max(seq), 0) FROM brain_changes) AS newest,
      (SELECT count(*) FROM brain_entries) AS entries`,
  );
  const changes = Number(totals?.changes ?? 0);
  const newest = Number(totals?.newest ?? 0);
  if (changes !== newest) structureErrors.push(`the log has ${changes} changes but counts to ${newest}`);
  return {
    changes,
    entries: Number(totals?.entries ?? 0),
    badHashes: badHashes.map((row) => row.change_id),
    mismatches: mismatches.map((row) => row.entry_id),
    structureErrors,
    isSound: badHashes.length + mismatches.length + structureErrors.length === 0,
  };
}

/** Makes brain_entries anew from the log. One transaction: the caller's. */
export async function rebuildEntries(transaction: Database): Promise<{ entries: number; repaired: number }> {
  await transaction.execute(sql`CREATE TEMPORARY TABLE entries_before ON COMMIT DROP AS SELECT * FROM brain_entries`);
  await transaction.execute(sql`DELETE FROM brain_entries`);
  await transaction.execute(sql`INSERT INTO brain_entries SELECT * FROM brain_entries_by_log`);
  const [row] = await rowsOf<{ entries: string; repaired: string }>(
    transaction,
    sql`SELECT (SELECT count(*) FROM brain_entries) AS entries, count(*) AS repaired
      FROM entries_before b FULL JOIN brain_entries e ON e.entry_id = b.entry_id WHERE e IS DISTINCT FROM b`,
  );
  return { entries: Number(row?.entries ?? 0), repaired: Number(row?.repaired ?? 0) };
}

/** PostgreSQL's own examination of the tables' and indexes' structure. */
async function checkStructure(database: Database): Promise<string[]> {
  const errors: string[] = [];
  const indexes = await rowsOf<{ name: string; method: string }>(
    database,
    sql`SELECT c.oid::regclass::text AS name, a.amname AS method FROM pg_class c JOIN pg_am a ON a.oid = c.relam
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE a.amname IN ('btree', 'gin') AND c.relkind = 'i' AND n.nspname IN ('public', 'drizzle') ORDER BY 1`,
  );
  for (const { name, method } of indexes) {
    try {
      if (method === 'btree') await database.execute(sql`SELECT bt_index_check(${name}::regclass, true)`);
      else await database.execute(sql`SELECT gin_index_check(${name}::regclass)`);
    } catch (error) {
      errors.push(`${name}: ${findingOf(error)}`);
    }
  }
  for (const table of ['brain_changes', 'brain_entries', 'brain_meta']) {
    try {
      const findings = await rowsOf<{ msg: string }>(database, sql`SELECT msg FROM verify_heapam(${table}::regclass)`);
      errors.push(...findings.slice(0, FINDINGS_MAX).map(({ msg }) => `${table}: ${msg}`));
    } catch (error) {
      errors.push(`${table}: ${findingOf(error)}`);
    }
  }
  return errors;
}

/** What PostgreSQL says is wrong with what it read. That it has ended, or has no room to work in, says nothing of that. */
function findingOf(error: unknown): string {
  const state = sqlStateOf(error);
  if (state === undefined || isPanic(error) || /^(53|24)/.test(state)) throw error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
