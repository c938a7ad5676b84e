/**
 * Brings a database to the schema of this version. Each run is one transaction, so an interruption leaves the schema
 * as it was. Refuses a database that a newer version has migrated.
 */
import fs from 'node:fs';
import path from 'node:path';
import { sql } from 'drizzle-orm';
import type { PgliteDatabase } from 'drizzle-orm/pglite';
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator';
import { SmError } from '../core/errors.ts';
import { assetPath } from './assets.ts';
import { type Database, rowsOf } from './database.ts';

interface Journal {
  entries: { when: number; tag: string }[];
}

/** Migrates where needed. @returns how many migrations were run. @throws SmError `store_newer` */
export function migrateStore(
  database: PgliteDatabase,
  migrationsFolder: string = assetPath('migrations'),
): Promise<number> {
  return migrateWith(database, migrationsFolder, migratePglite);
}

/** The same for any driver of drizzle; `run` is that driver's migrator. */
export async function migrateWith<D extends Database>(
  database: D,
  migrationsFolder: string,
  run: (database: D, config: { migrationsFolder: string }) => Promise<unknown>,
): Promise<number> {
  const pending = await countPendingMigrations(database, migrationsFolder);
  if (pending > 0) await run(database, { migrationsFolder });
  return pending;
}

/** @throws SmError `store_newer` */
export async function countPendingMigrations(database: Database, migrationsFolder: string): Promise<number> {
  const known = readJournal(migrationsFolder).entries.map(({ when }) => when);
  const newestKnown = Math.max(...known);
  const newestApplied = await newestAppliedMigration(database);
  if (newestApplied > newestKnown) {
    throw new SmError({
      code: 'store_newer',
      message: 'This database was written by a newer version of StackMemory; it was left untouched.',
      hint: 'Upgrade with "npm install -g stackmemory@latest", or point STACKMEMORY_HOME at another directory.',
    });
  }
  return known.filter((when) => when > newestApplied).length;
}

/** Time stamp of the newest migration in the database, 0 for an empty one. */
async function newestAppliedMigration(database: Database): Promise<number> {
  const [table] = await rowsOf<{ name: string | null }>(
    database,
    sql`SELECT to_regclass('drizzle.__drizzle_migrations')::text AS name`,
  );
  if (table?.name == null) return 0;
  const [newest] = await rowsOf<{ created_at: string | number | null }>(
    database,
    sql`SELECT max(created_at) AS created_at FROM drizzle.__drizzle_migrations`,
  );
  return Number(newest?.created_at ?? 0);
}

function readJournal(folder: string): Journal {
  return JSON.parse(fs.readFileSync(path.join(folder, 'meta', '_journal.json'), 'utf8')) as Journal;
}
