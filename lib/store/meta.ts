/** The brain's own single values: who it is, and the newest time it ever stamped. */
import { sql } from 'drizzle-orm';
import { type Database, rowsOf } from './database.ts';

/** This brain's replica id; made with `createId` at first use. Nobody else has the brain open meanwhile. */
export async function readReplicaId(database: Database, createId: () => string): Promise<string> {
  const [row] = await rowsOf<{ value: string }>(database, sql`SELECT value FROM brain_meta WHERE key = 'replica_id'`);
  if (row !== undefined) return row.value;
  const replicaId = createId();
  await database.execute(sql`INSERT INTO brain_meta (key, value) VALUES ('replica_id', ${replicaId})`);
  return replicaId;
}

/** From now on this brain writes under another id. */
export async function replaceReplicaId(transaction: Database, replicaId: string): Promise<void> {
  await transaction.execute(sql`UPDATE brain_meta SET value = ${replicaId} WHERE key = 'replica_id'`);
}

/** What is added to the machine's clock when a version is stamped, in milliseconds. */
export async function readClockOffset(database: Database): Promise<number> {
  const [row] = await rowsOf<{ value: string }>(
    database,
    sql`SELECT value FROM brain_meta WHERE key = 'clock_offset_ms'`,
  );
  return Number(row?.value ?? 0);
}

/** The greatest time this replica has stamped, or 0. */
export async function readClockHighWater(database: Database): Promise<number> {
  const [row] = await rowsOf<{ value: string }>(
    database,
    sql`SELECT value FROM brain_meta WHERE key = 'clock_high_ms'`,
  );
  return Number(row?.value ?? 0);
}
