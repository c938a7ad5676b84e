/**
 * The store of a server that shares a PostgreSQL with other instances. Owns the pool, its bounds and its role: the server
 * works as one that row-level security binds. How it hears of other instances is postgres-listener.ts.
 */
import { randomUUID } from 'node:crypto';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { SmError } from '../core/errors.ts';
import { sqlStateOf, toStoreError } from '../store/database.ts';
import { migrateWith } from '../store/migrate.ts';
import { type ServerLog, SILENT_LOG } from './context.ts';
import { serverMigrations } from './data-directory.ts';
import { PostgresListener } from './postgres-listener.ts';
import type { Query, SqlRunner } from './sql-runner.ts';
import { SqlStore } from './sql-store.ts';
import { StoreEvents } from './store-events.ts';
import type { ChangeStore } from './store.ts';

/** Instances that start at once migrate one after the other. Any number will do, if it is always this. */
const MIGRATION_LOCK = 7_236_113;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const IDLE_CONNECTION_MS = 60_000;
const POOL_MAX_DEFAULT = 10;
const ROLE = 'stackmemory_app';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database` */
  databaseUrl: string;
  /** Connections of this instance, beside the one that listens. */
  poolMax?: number;
  log?: ServerLog;
  /** The id of a new server's history; random where it is not given. */
  epoch?: string;
}

/** Connects, and migrates where needed. @throws SmError `unavailable`, `bad_request` for what is no address */
export async function openPostgresServerStore(options: PostgresStoreOptions): Promise<ChangeStore> {
  const { databaseUrl, poolMax = POOL_MAX_DEFAULT, log = SILENT_LOG } = options;
  const place = describePlace(databaseUrl);
  const isBound = await prepareDatabase(databaseUrl, place);
  if (isBound === 'unbound') {
    log.warn({ place }, `row-level security is not in force: this user is above it and may not become ${ROLE}`);
  }
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: poolMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    application_name: 'stackmemory',
    keepAlive: true,
    // The pool awaits it before it hands the connection out.
    onConnect: (client) => setUp(client, isBound) as unknown as void,
  });
  // A connection that breaks while nobody uses it; the next request gets another.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'an idle connection to the database broke'));
  // One that breaks in somebody's hands, between two statements too: the pool listens only while it has it itself, and an
  // error that nobody listens to ends the process. Whoever has it learns of it from the statement that fails.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const events = new StoreEvents();
  const listener = new PostgresListener(databaseUrl, (event) => events.emit(event), log);
  const store = new SqlStore(new PostgresRunner(pool, events, listener));
  try {
    await listener.start();
    await pool.query(`INSERT INTO server_meta (key, value) VALUES ('epoch', $1) ON CONFLICT (key) DO NOTHING`, [
      options.epoch ?? randomUUID(),
    ]);
    return store;
  } catch (error) {
    await store.close();
    throw unreachable(error, place);
  }
}

/**
 * What holds for a connection, whatever the administrator has chosen for others: commits that are on the disk when they
 * are answered, statements that see what was committed before them, and bounds. Set here, and not as it is opened:
 * PgBouncer refuses a connection that brings settings of its own.
 */
async function setUp(client: pg.ClientBase, isBound: 'role' | 'own' | 'unbound'): Promise<void> {
  await client.query(
    `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = ${STATEMENT_TIMEOUT_MS};
    SET idle_in_transaction_session_timeout = ${STATEMENT_TIMEOUT_MS}
    ${isBound === 'role' ? `; SET ROLE ${ROLE}` : ''}`,
  );
}

/** Migrates as the user of the address. @returns by what row-level security will hold */
async function prepareDatabase(databaseUrl: string, place: string): Promise<'role' | 'own' | 'unbound'> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'stackmemory migration',
  });
  // A broken connection also fails the query that waits for it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await requireEveryCharacter(client, place);
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await migrateWith(drizzle({ client }), serverMigrations(), migrate);
    const { rows } = await client.query<{ may: boolean | null; above: boolean }>(
      `SELECT (SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = $1) AS may,
        rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = current_user`,
      [ROLE],
    );
    if (rows[0]?.may === true) return 'role';
    return rows[0]?.above === true ? 'unbound' : 'own';
  } catch (error) {
    throw unreachable(error, place);
  } finally {
    await client.end().catch(() => undefined); // Closing releases the lock; it may be broken already.
  }
}

/** SQL_ASCII takes what comes as it is. @throws SmError `store_foreign` for a database that has no room for some characters */
async function requireEveryCharacter(client: pg.Client, place: string): Promise<void> {
  const { rows } = await client.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  const encoding = rows[0]?.encoding ?? '';
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return;
  throw new SmError({
    code: 'store_foreign',
    message: `The database ${place} has the encoding ${encoding}, which many characters of entries are not in.`,
    hint: `Give the server one in UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`,
  });
}

class PostgresRunner implements SqlRunner {
  readonly kind = 'postgres';
  readonly #pool: pg.Pool;
  readonly #events: StoreEvents;
  readonly #listener: PostgresListener;
  #closing: Promise<void> | undefined;

  constructor(pool: pg.Pool, events: StoreEvents, listener: PostgresListener) {
    this.#pool = pool;
    this.#events = events;
    this.#listener = listener;
  }

  readonly watch: SqlRunner['watch'] = (listener) => this.#events.watch(listener);

  /** The database tells all instances, this one too. */
  announce(): void {}

  async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      const { rows } = await this.#pool.query(text, [...values]);
      return rows as Row[];
    } catch (error) {
      throw explain(error);
    }
  }

  write<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return this.query(text, values);
  }

  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw explain(error);
    }
    let failure: Error | undefined;
    try {
      await client.query('BEGIN');
      const answer = await work(async <Row>(text: string, values: readonly unknown[]) => {
        const { rows } = await client.query(text, [...values]);
        return rows as Row[];
      });
      await client.query('COMMIT');
      return answer;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error)); // Throws the connection away, and so rolls back.
      throw explain(error);
    } finally {
      client.release(failure);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#listener.stop();
    await this.#pool.end();
  }
}

/** Failures that another attempt may not meet, such as a lost connection, and those that it will. */
function explain(error: unknown): SmError {
  if (error instanceof SmError) return error;
  const state = sqlStateOf(error);
  const isPassing = state === undefined || /^(?:08|40|53|55|57)/.test(state);
  if (!isPassing || state === '53100') return toStoreError(error);
  const text = error instanceof Error ? error.message : String(error);
  return new SmError({ code: 'unavailable', message: `The database does not answer: ${text}`, cause: error });
}

function unreachable(error: unknown, place: string): SmError {
  if (error instanceof SmError) return error;
  const text = reasonOf(error);
  return new SmError({
    code: 'unavailable',
    message: `The database ${place} cannot be used: ${text}`,
    hint: 'Check that PostgreSQL (15 or newer) runs there, that it may be written, and the user, password and database of the address.',
    cause: error,
  });
}

/** A failed connection to a name with several addresses hides its reasons, and drizzle that of a statement. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  if (error instanceof Error && error.cause instanceof Error) return reasonOf(error.cause);
  return error instanceof Error ? error.message : String(error);
}

/** The address without user and password. @throws SmError `bad_request` */
function describePlace(databaseUrl: string): string {
  if (/^postgres(?:ql)?:\/\//.test(databaseUrl) && URL.canParse(databaseUrl)) {
    const { host, pathname } = new URL(databaseUrl);
    return `${host}${pathname}`;
  }
  throw new SmError({
    code: 'bad_request',
    message: 'The address of the database is not one of PostgreSQL.',
    hint: 'For example: --database-url postgres://user:password@localhost:5432/stackmemory',
  });
}
