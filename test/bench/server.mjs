/**
 * Changes pushed and pulled a second with 1, 8 and 64 clients of one workspace, on the embedded store and on PostgreSQL,
 * beside the floor: the bare `INSERT … SELECT FROM unnest` of the same rows on the same PostgreSQL, durable, by as many
 * connections and without HTTP. Clients are in one process, and take their part of the cores.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { tsImport } from 'tsx/esm/api';
import { temporaryDirectory } from './measure.mjs';

const { startPostgres } = await tsImport('../support/server-postgres.ts', import.meta.url);
const CLIENTS = [1, 8, 64];
const SECONDS = Number(process.env.SECONDS ?? 4);
const BATCH = 100;
const PAGE = 1_000;
const FIELDS = ['entryId', 'changeId', 'title', 'summary', 'conclusion', 'updatedAt'];
const child = fileURLToPath(new URL('server/child.ts', import.meta.url));
const directory = temporaryDirectory();
const postgres = await startPostgres({ isDurable: true });
const servers = [];

let counter = 0;
function changes(workspaceId, replicaId) {
  const now = Date.now();
  return Array.from({ length: BATCH }, () => {
    counter += 1;
    return {
      ...{ entryId: crypto.randomUUID(), workspaceId, projectId: 'bench', agent: 'bench', kind: 'insight' },
      ...{ title: `Entry ${counter} of many`, summary: 'What happened, and why. '.repeat(20), conclusion: 'Do it so.' },
      ...{ tags: ['bench'], refs: [], confidence: 0.8, status: 'active', createdAt: now, updatedAt: now },
      ...{ changeId: crypto.randomUUID(), base: null, replicaId },
    };
  });
}

/** Of `work`, which tells how much it did, by so many at once: how much was done in a second. */
async function rate(clients, work) {
  const started = performance.now();
  let done = 0;
  const one = async (client) => {
    while (performance.now() - started < SECONDS * 1_000) {
      // Not in one: what others have added meanwhile would be lost.
      const part = await work(client);
      done += part;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
  return done / ((performance.now() - started) / 1_000);
}

async function serve(kind, place) {
  const server = spawn(process.execPath, ['--import', 'tsx', child, kind, place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(server);
  const [line] = await once(server.stdout, 'data');
  const url = String(line).trim();
  const post = async (name, body, apiKey) => {
    const response = await fetch(`${url}${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(apiKey && { authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };
  const { apiKey, workspaceId } = await post('/v1/setup', { email: 'a@example.org', workspaceName: 'bench' });
  const ids = Array.from({ length: Math.max(...CLIENTS) }, () => crypto.randomUUID());
  const envelope = (client) => ({ protocolVersion: 2, clientId: ids[client], workspaceId, projectId: 'bench' });
  return {
    async push(client) {
      const body = { ...envelope(client), changes: changes(workspaceId, ids[client]) };
      const { results } = await post('/v1/brain/push', body, apiKey);
      return results.filter(({ outcome }) => outcome === 'applied').length;
    },
    async pull(client, cursors) {
      // Another one's, since its own changes are left out.
      const asker = { ...envelope(client), clientId: crypto.randomUUID() };
      const since = cursors[client] ?? 0;
      const page = await post('/v1/brain/pull', { ...asker, since, limit: PAGE, format: 'columns' }, apiKey);
      cursors[client] = page.hasMore ? page.serverCursor : 0;
      return page.columns.count[0];
    },
  };
}

async function bare() {
  const pool = new pg.Pool({ connectionString: await postgres.createDatabase(), max: Math.max(...CLIENTS) });
  // A database that stops says so to connections that are not closed yet.
  pool.on('error', () => undefined);
  await pool.query(`CREATE TABLE floor ("changeId" uuid PRIMARY KEY, "entryId" uuid, title text, summary text,
    conclusion text, "updatedAt" bigint)`);
  return {
    async push() {
      const rows = changes('', '');
      const lists = FIELDS.map((field) => rows.map((row) => row[field]));
      const { rowCount } = await pool.query(
        `INSERT INTO floor ("entryId", "changeId", title, summary, conclusion, "updatedAt")
          SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])`,
        lists,
      );
      return rowCount;
    },
    close: () => pool.end(),
  };
}

try {
  const floor = await bare();
  const systems = {
    embedded: await serve('embedded', path.join(directory, 'server')),
    postgres: await serve('postgres', await postgres.createDatabase()),
  };
  for (const system of [floor, ...Object.values(systems)]) await rate(8, (client) => system.push(client));
  console.log(`\nChanges of 0.6 KB a second, ${BATCH} a push, ${PAGE} a page`);
  const shown = (value, reference) => `${value.toFixed(0).padStart(7)} (${(value / reference).toFixed(2)} x)`;
  for (const clients of CLIENTS) {
    const reference = await rate(clients, () => floor.push());
    const parts = [];
    for (const [name, system] of Object.entries(systems)) {
      const pushed = await rate(clients, (client) => system.push(client));
      const cursors = [];
      const pulled = await rate(clients, (client) => system.pull(client, cursors));
      parts.push(`${name} pushed${shown(pushed, reference)}, pulled${shown(pulled, reference)}`);
    }
    console.log(`  ${String(clients).padStart(2)} clients: bare ${reference.toFixed(0)}; ${parts.join('; ')}`);
  }
  await floor.close();
} finally {
  for (const server of servers) server.kill('SIGKILL');
  await postgres.stop();
  fs.rmSync(directory, { recursive: true, force: true });
}
