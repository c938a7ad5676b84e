/** A PostgreSQL that somebody else administers: its encoding, its rights, its defaults, and a pooler before it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPostgresServerStore } from '../../lib/server/postgres-store.ts';
import { createTestKey } from '../support/server-keys.ts';
import { startPostgres, type TestPostgres } from '../support/server-postgres.ts';

/** What a PgBouncer lets a client say of itself as it connects, unless it is configured to let more through. */
const POOLER_TAKES: ReadonlySet<string> = new Set([
  'user',
  'database',
  'application_name',
  'client_encoding',
  'datestyle',
  'timezone',
  'standard_conforming_strings',
]);

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(() => postgres.stop());

async function ask(databaseUrl: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  let rows: Record<string, unknown>[] = [];
  for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement));
  await client.end();
  return rows;
}

function addressOf(databaseUrl: string, change: (url: URL) => void): string {
  const url = new URL(databaseUrl);
  change(url);
  return url.href;
}

/** Passes on what comes, and notes what clients say of themselves as they connect. */
async function startPooler(databaseUrl: string, told: Set<string>): Promise<{ server: Server; url: string }> {
  const target = new URL(databaseUrl);
  const server = createServer((client) => {
    const database = connect(Number(target.port), target.hostname);
    client.once('data', (startup) => {
      // Length and version, then names and values, each ended by a zero.
      const words = startup.subarray(8).toString('utf8').split('\0');
      words.forEach((word, index) => index % 2 === 0 && word !== '' && told.add(word.toLowerCase()));
    });
    client.pipe(database).pipe(client);
    for (const socket of [client, database]) socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: addressOf(databaseUrl, (url) => Object.assign(url, { hostname: '127.0.0.1', port: String(port) })),
  };
}

test('[V20] a database whose encoding lacks characters is refused, and left as it is', async () => {
  const databaseUrl = await postgres.createDatabase();
  await ask(databaseUrl, `CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
  const latin = addressOf(databaseUrl, (url) => (url.pathname = '/latin'));
  await expect(openPostgresServerStore({ databaseUrl: latin })).rejects.toMatchObject({
    code: 'store_foreign',
    message: expect.stringContaining('LATIN1') as string,
  });
  expect(await ask(latin, `SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)).toEqual([]);
});

test('[V20] a user without rights, and a database that may not be written, are told why', async () => {
  const databaseUrl = await postgres.createDatabase();
  await ask(databaseUrl, `CREATE ROLE guest LOGIN PASSWORD 'g'`);
  const guest = addressOf(databaseUrl, (url) => Object.assign(url, { username: 'guest', password: 'g' }));
  await expect(openPostgresServerStore({ databaseUrl: guest })).rejects.toThrow('permission denied for database');
  const name = new URL(databaseUrl).pathname.slice(1);
  await ask(databaseUrl, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  await expect(openPostgresServerStore({ databaseUrl })).rejects.toThrow('read-only transaction');
});

test('[V20] commits are on the disk before they are answered, and see what was there, whatever the defaults', async () => {
  const databaseUrl = await postgres.createDatabase();
  const name = new URL(databaseUrl).pathname.slice(1);
  await (await openPostgresServerStore({ databaseUrl })).close();
  await ask(
    databaseUrl,
    `ALTER DATABASE ${name} SET synchronous_commit = off`,
    `ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`,
    `ALTER DATABASE ${name} SET statement_timeout = '1h'`,
    'CREATE TABLE seen (name text, value text)',
    `CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      INSERT INTO seen SELECT s.name, current_setting(s.name)
      FROM unnest(ARRAY['synchronous_commit', 'transaction_isolation', 'statement_timeout']) AS s(name);
      RETURN NEW; END $$`,
    'CREATE TRIGGER look BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION look()',
  );
  const store = await openPostgresServerStore({ databaseUrl });
  await createTestKey(store, 'strict');
  await store.close();
  expect(await ask(databaseUrl, 'SELECT name, value FROM seen ORDER BY name')).toEqual([
    { name: 'statement_timeout', value: '30s' },
    { name: 'synchronous_commit', value: 'on' },
    { name: 'transaction_isolation', value: 'read committed' },
  ]);
});

test('[V20] nothing that a pooler in session mode refuses is said as a connection begins', async () => {
  const databaseUrl = await postgres.createDatabase();
  const told = new Set<string>();
  const { server, url } = await startPooler(databaseUrl, told);
  const store = await openPostgresServerStore({ databaseUrl: url });
  await createTestKey(store, 'pooled');
  await store.close();
  server.close();
  expect(told).toContain('database');
  expect([...told].filter((word) => !POOLER_TAKES.has(word))).toEqual([]);
});
