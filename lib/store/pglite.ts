/**
 * Opens an embedded PostgreSQL durably. Owns its start parameters and the proof, made at every start, that a commit
 * reaches the disk. Refuses to serve where the proof fails. The caller holds the lock of the directory: PGlite has
 * none, and two owners corrupt it. A store that is a copy in memory can only be read.
 */
import fs from 'node:fs';
import { PGlite, types } from '@electric-sql/pglite';
import { amcheck } from '@electric-sql/pglite/contrib/amcheck';
import { sql } from 'drizzle-orm';
import { drizzle, type PgliteDatabase } from 'drizzle-orm/pglite';
import { SmError } from '../core/errors.ts';
import { assetPath } from './assets.ts';
import { CopiedFs } from './copied-fs.ts';
import { isPanic, rowsOf } from './database.ts';
import { DurableNodeFs } from './durable-fs.ts';
import { countPendingMigrations, migrateStore } from './migrate.ts';

/** The PostgreSQL major version that this PGlite is; a data directory of another one does not open. */
export const POSTGRES_MAJOR = 18;

/**
 * PGlite's own defaults less `-F` (which turns fsync off), and settings for a small, durable, single-user database.
 * `wal_sync_method=fsync` because fdatasync does nothing in PGlite. WAL is not recycled: an idle brain stays small. Nor is it
 * compressed: packing the pages that a commit touches first after a checkpoint took most of the time of large pushes
 * (with 60,000 entries 25 s in all, 5 s without) and saved a fortieth of the WAL. Its buffers hold a large commit: of the
 * default's 1 MB each further page has to be written before the next can begin, 8 KiB at a time (1,600 writes for 10,000
 * entries, which are 30 now).
 */
export const START_PARAMETERS = [
  '--single',
  '-O',
  '-j',
  ...settings({
    search_path: 'public',
    exit_on_error: 'false',
    log_checkpoints: 'false',
    max_worker_processes: '0',
    max_parallel_workers: '0',
    max_parallel_workers_per_gather: '0',
    max_parallel_maintenance_workers: '0',
    io_method: 'sync',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    wal_sync_method: 'fsync',
    wal_recycle: 'off',
    wal_compression: 'off',
    min_wal_size: '2MB',
    max_wal_size: '64MB',
    shared_buffers: '32MB',
    wal_buffers: '4MB',
    maintenance_work_mem: '16MB',
    jit: 'off',
  }),
];

const READ_ONLY = settings({ default_transaction_read_only: 'on' });

/** JSON may be given as UTF-8, too, and is then sent as it is: PGlite takes bytes here, whatever the type says. */
const SERIALIZERS = {
  [types.JSON]: (value: unknown): string =>
    typeof value === 'string' || value instanceof Uint8Array ? (value as string) : JSON.stringify(value),
};

/** Arrays that a statement of ours gives back: `text[]`. */
const ARRAY_TYPES_READ = [1009];

export interface OpenStore {
  database: PgliteDatabase;
  client: PGlite;
  /** Whether it is a copy in memory, which is only read. */
  isCopy: boolean;
  /** Migrations that opening had to run. */
  migrationsRun: number;
  /** Shuts PostgreSQL down cleanly, with a last checkpoint. */
  close(): Promise<void>;
}

/** What a database holds: the brain's tables, or those of another owner of an embedded database. */
export interface StoreSchema {
  migrationsFolder: string;
  /** A table of keys and values, for the proof of durability. */
  metaTable: string;
  /** Runs before the migrations. */
  prepare?: (client: PGlite) => Promise<void>;
}

function brainSchema(): StoreSchema {
  return { migrationsFolder: assetPath('migrations'), metaTable: 'brain_meta' };
}

/** Opens the data directory, which must exist (see data-directory.ts). @throws SmError */
export async function openPgliteStore(dataDirectory: string, schema: StoreSchema = brainSchema()): Promise<OpenStore> {
  const fileSystem = new DurableNodeFs(dataDirectory);
  const client = await startPglite(fileSystem);
  const database = drizzle({ client });
  try {
    await schema.prepare?.(client);
    const migrationsRun = await migrateStore(database, schema.migrationsFolder);
    await proveDurability(database, fileSystem, schema.metaTable);
    return { database, client, isCopy: false, migrationsRun, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** Opens a copy of the data directory in memory, to be read: PostgreSQL itself refuses to write to it. @throws SmError */
export async function openPgliteCopy(dataDirectory: string, schema: StoreSchema = brainSchema()): Promise<OpenStore> {
  const client = await startPglite(new CopiedFs(dataDirectory), READ_ONLY);
  const database = drizzle({ client });
  try {
    if ((await countPendingMigrations(database, schema.migrationsFolder)) > 0) throw needsRoom();
    return { database, client, isCopy: true, migrationsRun: 0, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}

function needsRoom(): SmError {
  return new SmError({
    code: 'disk_full',
    message:
      'The brain was written by an older version, and the disk that holds it has no room to bring it to this one.',
    hint: 'Free some space and run the command again. Nothing was changed.',
  });
}

/** A database in memory, which is gone with its process: for tests and for trying things out. */
export async function openMemoryStore(schema: StoreSchema = brainSchema()): Promise<OpenStore> {
  const opened = await PGlite.create({
    startParams: [
      ...START_PARAMETERS,
      ...settings({ fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
    ],
    loadDataDir: new Blob([new Uint8Array(fs.readFileSync(assetPath('template.tar.gz')))]),
    extensions: { amcheck },
    serializers: SERIALIZERS,
  });
  const client = withFewParsers(opened);
  const database = drizzle({ client });
  await schema.prepare?.(client);
  const migrationsRun = await migrateStore(database, schema.migrationsFolder);
  return { database, client, isCopy: false, migrationsRun, close: () => client.close() };
}

/**
 * PGlite finds a parser for each of PostgreSQL's 300 types of arrays, and all of them are copied for every statement that
 * drizzle runs, which took as long as a small statement itself.
 */
function withFewParsers(client: PGlite): PGlite {
  const read = Object.entries(client.parsers).filter(([type]) => ARRAY_TYPES_READ.includes(Number(type)));
  client.parsers = { ...types.parsers, ...Object.fromEntries(read) };
  return client;
}

/**
 * A panic is PostgreSQL's end. In WebAssembly nothing ends, and what it is asked next it may compute for ever: it is asked
 * nothing any more. Whoever does gets the panic again, and its owner opens the database anew.
 */
function withEndingPanics(client: PGlite): PGlite {
  let panic: unknown;
  const guard =
    <Options, Answer>(execute: (message: Uint8Array, options?: Options) => Promise<Answer>) =>
    async (message: Uint8Array, options?: Options): Promise<Answer> => {
      if (panic !== undefined) throw panic;
      try {
        return await execute(message, options);
      } catch (error) {
        if (isPanic(error)) panic = error;
        throw error;
      }
    };
  client.execProtocol = guard(client.execProtocol.bind(client));
  client.execProtocolStream = guard(client.execProtocolStream.bind(client));
  const close = client.close.bind(client);
  client.close = async () => (panic === undefined ? close() : undefined);
  return client;
}

async function startPglite(fileSystem: DurableNodeFs | CopiedFs, parameters: readonly string[] = []): Promise<PGlite> {
  const complaints: string[] = [];
  try {
    const client = await PGlite.create({
      fs: fileSystem,
      startParams: [...START_PARAMETERS, ...parameters],
      extensions: { amcheck },
      serializers: SERIALIZERS,
      onStderr: (line: string) => {
        if (/FATAL|PANIC|ERROR|DETAIL|HINT/.test(line)) complaints.push(line.trim());
        return false;
      },
    });
    return withEndingPanics(withFewParsers(client));
  } catch (error) {
    throw new SmError({
      code: /No space left/i.test(complaints.join(' ')) ? 'disk_full' : 'store_damaged',
      message: `The brain's database does not open. ${complaints.slice(0, 3).join(' ') || textOf(error)}`.trim(),
      hint:
        'If the disk is full, free some space and try again. Otherwise restore the brain directory from a backup, or ' +
        'move it aside and "sm brain import" an export. Nothing that was recorded has been changed.',
      cause: error,
    });
  }
}

/** Emscripten's file system throws objects that are no errors, with a number of WASI's. */
function textOf(thrown: unknown): string {
  if (thrown instanceof Error || typeof thrown !== 'object' || thrown === null) return String(thrown);
  const { name, errno } = thrown as { name?: unknown; errno?: unknown };
  return `${typeof name === 'string' ? name : 'Something'} was thrown${typeof errno === 'number' ? `, errno ${errno}` : ''}.`;
}

/** A commit must cause an fsync; otherwise an acknowledgement would be worth nothing. */
async function proveDurability(database: PgliteDatabase, fileSystem: DurableNodeFs, metaTable: string): Promise<void> {
  const fsyncsBefore = fileSystem.fsyncCount;
  await database.execute(sql`
    INSERT INTO ${sql.identifier(metaTable)} (key, value) VALUES ('opened_at', ${String(Date.now())})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`);
  const [settings] = await rowsOf<{ fsync: string; pages: string }>(
    database,
    sql`SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages`,
  );
  if (fileSystem.fsyncCount > fsyncsBefore && settings?.fsync === 'on' && settings.pages === 'on') return;
  throw new SmError({
    code: 'not_durable',
    message: 'The embedded database does not sync its commits to disk, so no write could be acknowledged honestly.',
    hint: 'Reinstall stackmemory with the exact versions it pins ("npm ls @electric-sql/pglite" shows what is installed).',
  });
}

function settings(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
