/**
 * `npm run stub`: a sync server for development without a network: open sign-up, a key that is ready, and faults on
 * request. Its store is gone when it ends, or kept with --data. Usage: see HELP.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { toSmError } from '../lib/core/errors.ts';
import { ADMINISTRATION } from '../lib/server/administration.ts';
import { openEmbeddedServerStore } from '../lib/server/embedded-store.ts';
import { listen } from '../lib/server/listen.ts';
import type { ChangeStore } from '../lib/server/store.ts';
import { parseFaults } from './faults.ts';
import { createStub } from './stub-app.ts';

const PORT_DEFAULT = 7_787;
const HELP = `npm run stub -- [options]

  --port <number>    port on 127.0.0.1 (default ${PORT_DEFAULT}; 0 takes a free one)
  --data <dir>       keep the store and the key in a directory; without it they are gone at the end
  --fault <faults>   begin with faults, for example "latency:200..800;status:503,chance=0.1"
  --json             print one line of JSON instead of text

Faults can be changed while it runs:
  curl -X POST http://127.0.0.1:${PORT_DEFAULT}/stub/faults -H 'content-type: application/json' -d '{"faults":"lost,times=1"}'
  curl -X DELETE http://127.0.0.1:${PORT_DEFAULT}/stub/faults
docs/STUB.md lists them.
`;

interface ReadyKey {
  apiKey: string;
  workspaceId: string;
  projectId: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      data: { type: 'string' },
      fault: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return void process.stdout.write(HELP);
  const faults = (values.fault ?? []).flatMap(parseFaults);
  const store = await openEmbeddedServerStore(
    values.data === undefined ? { memory: true } : { dataDirectory: path.resolve(values.data) },
  );
  const replicaDirectory =
    values.data === undefined
      ? fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-stub-'))
      : path.resolve(values.data, 'mcp');
  const stub = createStub({ store, replicaDirectory, signup: 'open', reset: 'open', metrics: 'open', limits: 'none' });
  stub.faults.set(faults);
  const key = await readyKey(store, values.data);
  const server = await listen(stub.app, { host: '127.0.0.1', port: Number(values.port ?? PORT_DEFAULT) });
  process.stdout.write(
    values.json === true ? `${JSON.stringify({ url: server.url, ...key })}\n` : greeting(server.url, key),
  );
  let isEnding = false;
  const end = async (): Promise<void> => {
    if (isEnding) process.exit(1); // Asked twice.
    isEnding = true;
    await server.close();
    await stub.app.close();
    await store.close();
    if (values.data === undefined) fs.rmSync(replicaDirectory, { recursive: true, force: true });
    process.exit(0);
  };
  process.on('SIGINT', () => void end());
  process.on('SIGTERM', () => void end());
}

/** The key of the last time where the store was kept, else a new one. */
async function readyKey(store: ChangeStore, data: string | undefined): Promise<ReadyKey> {
  const file = data === undefined ? undefined : path.join(data, 'stub-key.json');
  if (file !== undefined && fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')) as ReadyKey;
  const create = ADMINISTRATION.get('key/create');
  if (create === undefined) throw new Error('the server has no key/create');
  const context = { store, nowMs: Date.now, randomBytes };
  const { apiKey, workspaceId, projectId } = (await create(context, { newWorkspace: 'stub' })) as ReadyKey;
  if (file !== undefined) fs.writeFileSync(file, JSON.stringify({ apiKey, workspaceId, projectId }), { mode: 0o600 });
  return { apiKey, workspaceId, projectId };
}

function greeting(url: string, { apiKey, workspaceId, projectId }: ReadyKey): string {
  return `stub server on ${url}
  key        ${apiKey}
  workspace  ${workspaceId}
  project    ${projectId}

Use it with a brain of its own:
  export STACKMEMORY_HOME=$(mktemp -d)
  sm login --key ${apiKey} --url ${url}

Anybody may sign up: sm login you@example.org --url ${url}
Agents have the brain at ${url}/mcp, with the key as bearer.
`;
}

await main().catch((error: unknown) => {
  const { message, hint } = toSmError(error);
  process.stderr.write(`stub: ${message}\n${hint === undefined ? '' : `    ${hint}\n`}`);
  process.exit(1);
});
