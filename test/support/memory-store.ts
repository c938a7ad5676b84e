/**
 * Brains in memory, for tests that need many and quick ones: the real SQL on a real PGlite, with nothing on a disk. What
 * is not real is durability, which other tests prove.
 */
import { PGlite } from '@electric-sql/pglite';
import { amcheck } from '@electric-sql/pglite/contrib/amcheck';
import { drizzle } from 'drizzle-orm/pglite';
import { BrainSession } from '../../lib/brain/session.ts';
import { migrateStore } from '../../lib/store/migrate.ts';
import type { OpenStore } from '../../lib/store/pglite.ts';

export async function openMemoryStore(): Promise<OpenStore> {
  const client = await PGlite.create({ extensions: { amcheck } });
  await client.exec('CREATE EXTENSION amcheck');
  const database = drizzle({ client });
  const migrationsRun = await migrateStore(database);
  return { database, client, migrationsRun, close: () => client.close() };
}

/** A session on a store, as after a start of the host. Closing it leaves the store open. */
export function openMemorySession(
  store: OpenStore,
  surroundings: { nowMs: () => number; createEntryId: (nowMs: number) => string; createReplicaId: () => string },
): Promise<BrainSession> {
  return BrainSession.open({ ...store, close: () => Promise.resolve() }, { directory: process.cwd(), ...surroundings });
}
