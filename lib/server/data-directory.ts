/**
 * The embedded server's directory: its lock, the data directory inside it, and how a new one comes to be. Creation is
 * atomic, as a brain's is. Refuses, without touching it, what is not a server's: a brain's directory above all.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SmError } from '../core/errors.ts';
import { type HeldLock, tryTakeLock } from '../host/lock.ts';
import { ensurePrivateDirectory } from '../host/places.ts';
import { assetPath } from '../store/assets.ts';
import { refuseLink } from '../store/data-directory.ts';
import { fsyncDirectory } from '../store/durable-fs.ts';
import { explainFileError } from '../store/file-errors.ts';
import { openPgliteStore, POSTGRES_MAJOR, type StoreSchema } from '../store/pglite.ts';
import { unpackDurably } from '../store/unpack.ts';

const MARKER_FILE = 'stackmemory.json';
const DATA_FORMAT = 1;
const TEMPORARY_PREFIX = 'data.tmp-';
/** Without these PGlite would make a new database over what is left of the old one. */
const INDISPENSABLE = ['PG_VERSION', 'global/pg_control', 'base', 'pg_wal'];

const MARKER = { product: 'stackmemory-server', dataFormat: DATA_FORMAT, postgresMajor: POSTGRES_MAJOR };

export function serverSchema(): StoreSchema {
  return { migrationsFolder: serverMigrations(), metaTable: 'server_meta' };
}

/** For a database that was just made from the template of a new brain: its tables are not ours. */
export function newServerSchema(): StoreSchema {
  return {
    ...serverSchema(),
    prepare: async (client) => {
      await client.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA drizzle CASCADE');
    },
  };
}

export function serverMigrations(): string {
  const inSources = fileURLToPath(new URL('migrations/0000_server.sql', import.meta.url));
  return fs.existsSync(inSources) ? path.dirname(inSources) : assetPath('server-migrations');
}

/** Takes the lock of a server's directory. @throws SmError `store_locked` */
export function lockServerDirectory(directory: string): HeldLock {
  ensurePrivateDirectory(directory);
  const lock = tryTakeLock(path.join(directory, 'lock'), { pid: process.pid, kind: 'process' });
  if (lock !== undefined) return lock;
  throw new SmError({
    code: 'store_locked',
    message: `Another process has the server's data in ${directory} open.`,
    hint: 'End that server first, or give this one another --data directory. Several servers share a PostgreSQL: --database-url.',
  });
}

function serverDataOf(directory: string): string {
  return path.join(directory, 'data');
}

/** Whether a server's data have ever been in `directory`, or anything else in their place. */
export function hasServerData(directory: string): boolean {
  return fs.lstatSync(serverDataOf(directory), { throwIfNoEntry: false }) !== undefined;
}

/** Makes the data directory where there is none, and checks the one that is there. The caller holds the lock. */
export async function ensureServerData(directory: string): Promise<string> {
  const dataDirectory = serverDataOf(directory);
  try {
    refuseLink(dataDirectory);
    for (const name of fs.readdirSync(directory)) {
      if (name.startsWith(TEMPORARY_PREFIX)) fs.rmSync(path.join(directory, name), { recursive: true, force: true });
    }
    if (!fs.existsSync(dataDirectory)) await createServerData(directory, dataDirectory);
    else checkServerData(dataDirectory);
  } catch (error) {
    throw explainFileError(error, directory);
  }
  return dataDirectory;
}

async function createServerData(directory: string, dataDirectory: string): Promise<void> {
  const temporary = path.join(directory, TEMPORARY_PREFIX + randomBytes(6).toString('hex'));
  try {
    fs.mkdirSync(temporary, { mode: 0o700 });
    await unpackDurably(assetPath('template.tar.gz'), temporary);
    const store = await openPgliteStore(temporary, newServerSchema());
    await store.client.exec('VACUUM ANALYZE');
    await store.close();
    writeDurably(path.join(temporary, MARKER_FILE), `${JSON.stringify(MARKER)}\n`);
    fsyncDirectory(temporary);
    fs.renameSync(temporary, dataDirectory);
    fsyncDirectory(directory);
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function checkServerData(dataDirectory: string): void {
  const marker = readMarker(dataDirectory);
  if (marker?.product !== MARKER.product) {
    throw new SmError({
      code: 'store_foreign',
      message: `${dataDirectory} exists but is not the data of a StackMemory server; it was left untouched.`,
      hint: 'Give the server a directory of its own with --data.',
    });
  }
  if (Number(marker.dataFormat) > DATA_FORMAT || Number(marker.postgresMajor) !== POSTGRES_MAJOR) {
    throw new SmError({
      code: Number(marker.postgresMajor) < POSTGRES_MAJOR ? 'store_older' : 'store_newer',
      message: `The server's data in ${dataDirectory} is of another version of StackMemory; it was left untouched.`,
      hint: 'Serve it with the version that made it.',
    });
  }
  const missing = INDISPENSABLE.find((name) => !fs.existsSync(path.join(dataDirectory, name)));
  if (missing === undefined) return;
  throw new SmError({
    code: 'store_damaged',
    message: `The server's data in ${dataDirectory} is damaged: its ${missing} is missing.`,
    hint: 'Restore the directory from a backup, then run "sm server epoch renew". Nothing was changed.',
  });
}

function readMarker(dataDirectory: string): Partial<typeof MARKER> | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(dataDirectory, MARKER_FILE), 'utf8')) as Partial<typeof MARKER>;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError || code === 'ENOENT' || code === 'EISDIR') return undefined;
    throw error;
  }
}

function writeDurably(file: string, text: string): void {
  const descriptor = fs.openSync(file, 'w', 0o600);
  try {
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
