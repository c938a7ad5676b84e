/** The tools over HTTP of a server that is killed: what an agent was told is recorded is there afterwards, each time. */
import { execFileSync } from 'node:child_process';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { smProgram } from '../support/host-commands.ts';
import { openMemoryStore } from '../../lib/store/pglite.ts';
import { type ServerProcess, startServe } from '../support/server-process.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';
import { SyncDevice } from '../support/sync-device.ts';

const ROUNDS = 2;
const AGENTS = 3;
/** The SDK's client does not notice that an answer breaks off, and waits. */
const PATIENCE = { timeout: 2_500 };
/** Three servers start in it, and each makes a brain ready. */
const PATIENCE_OF_TEST_MS = 180_000;

let home: string;
let server: ServerProcess | undefined;

beforeEach(() => {
  home = makeDirectory();
});
afterEach(async () => {
  await server?.end('SIGKILL');
  removeDirectory(home);
});

const environment = () => ({ STACKMEMORY_HOME: home, DATABASE_URL: '' });

async function connect(url: string, apiKey: string): Promise<Client> {
  const client = new Client({ name: 'claude-code', version: '1.0.0' });
  const requestInit = { headers: { Authorization: `Bearer ${apiKey}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit }));
  return client;
}

test(
  '[A13] [V2] a server that is killed again and again has lost nothing that it acknowledged to an agent',
  async () => {
    const words = ['server', 'key', 'create', '--new-workspace', 'team', '--json'];
    const env = { ...process.env, ...environment() };
    const made = execFileSync(process.execPath, [smProgram(), ...words], { env, encoding: 'utf8' });
    const { apiKey, workspaceId } = JSON.parse(made) as { apiKey: string; workspaceId: string };
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      server = await startServe([], environment());
      const { url } = server;
      const killed = new AbortController();
      const work = Array.from({ length: AGENTS }, async (_, agent) => {
        const client = await connect(url, apiKey);
        for (let number = 0; !killed.signal.aborted; number += 1) {
          const title = `round ${round} agent ${agent} number ${number}`;
          const call = client.callTool({ name: 'brain_record', arguments: { title, kind: 'note' } }, PATIENCE);
          const answer = await call.catch(() => undefined);
          if (answer !== undefined && answer.isError !== true) acknowledged.push(title);
        }
      });
      const enough = acknowledged.length + 5;
      while (acknowledged.length < enough) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
      await server.end('SIGKILL');
      killed.abort();
      await Promise.all(work);
    }
    server = await startServe([], environment());
    const store = await openMemoryStore();
    onTestFinished(() => store.close());
    const device = await SyncDevice.start(store);
    const place = { url: server.url, key: { apiKey, workspaceId } };
    expect(await device.sync(place)).toMatchObject({ success: true });
    const found = await device.titles(place);
    expect(acknowledged.length).toBeGreaterThanOrEqual(ROUNDS * 5);
    expect(acknowledged.filter((title) => !found.includes(title))).toEqual([]);
  },
  PATIENCE_OF_TEST_MS,
);
