/**
 * Makes the template from which every new brain is unpacked: an initialised, migrated and vacuumed data directory, so
 * that the first command on a machine does not wait seconds for initdb. Runs at build time only.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import { packTar } from 'modern-tar/fs';
import { MARKER_FILE, markerText } from './data-directory.ts';
import { DurableNodeFs } from './durable-fs.ts';
import { openPgliteStore, START_PARAMETERS } from './pglite.ts';

/** WAL in segments of 1 MB instead of 16: an empty brain takes 8 MB on disk instead of 39. */
const INITDB_PARAMETERS = [
  '--wal-segsize=1',
  '--encoding=UTF8',
  '--locale=C.UTF-8',
  '--no-instructions',
  '--auth=trust',
];

/** Writes the template to `targetFile` (gzipped tar), replacing it atomically. Takes about ten seconds. */
export async function buildTemplate(targetFile: string): Promise<void> {
  const workDirectory = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-template-'));
  const dataDirectory = path.join(workDirectory, 'data');
  try {
    await initialise(dataDirectory);
    await migrateAndSlim(dataDirectory);
    fs.rmSync(path.join(dataDirectory, 'postmaster.pid'), { force: true });
    fs.writeFileSync(path.join(dataDirectory, MARKER_FILE), markerText());
    const partial = `${targetFile}.partial`;
    await pipeline(packTar(dataDirectory), createGzip({ level: 9 }), fs.createWriteStream(partial));
    fs.renameSync(partial, targetFile);
  } finally {
    fs.rmSync(workDirectory, { recursive: true, force: true });
  }
}

async function initialise(dataDirectory: string): Promise<void> {
  const client = await PGlite.create({
    fs: new DurableNodeFs(dataDirectory),
    startParams: START_PARAMETERS,
    initDbStartParams: INITDB_PARAMETERS,
  });
  await client.exec(`UPDATE pg_database SET datistemplate = false, datallowconn = true WHERE datname LIKE 'template_'`);
  await client.exec('DROP DATABASE IF EXISTS template1');
  await client.exec('DROP DATABASE IF EXISTS template0');
  await client.close();
}

async function migrateAndSlim(dataDirectory: string): Promise<void> {
  const store = await openPgliteStore(dataDirectory);
  await store.client.exec('CREATE EXTENSION amcheck');
  await store.client.exec('DELETE FROM brain_meta');
  await store.client.exec('VACUUM FULL');
  await store.client.exec('VACUUM FREEZE ANALYZE');
  await store.client.exec('CHECKPOINT');
  await store.close();
}
