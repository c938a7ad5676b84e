/**
 * Other people's clients: the command line of the MCP inspector against `sm mcp` as it is built and against the server, and
 * the conformance suite's scenarios for what is offered (the others ask for tools of its own reference server).
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServerApp, type ServerApp } from '../../lib/server/app.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { listen, type ListeningServer } from '../../lib/server/listen.ts';
import type { ChangeStore } from '../../lib/server/store.ts';
import { smProgram } from '../support/host-commands.ts';
import { createTestKey, type TestKey } from '../support/server-keys.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const packages = path.join(root, 'node_modules/@modelcontextprotocol');
const INSPECTOR = path.join(packages, 'inspector-cli/build/cli.js');
const CONFORMANCE = path.join(packages, 'conformance/dist/index.js');

let home: string;
let store: ChangeStore;
let app: ServerApp;
let server: ListeningServer;
let key: TestKey;
/** Adds the key, which the conformance suite has no flag for. */
let relay: http.Server;

beforeAll(async () => {
  home = makeDirectory();
  store = await openEmbeddedServerStore({ memory: true });
  key = await createTestKey(store, 'team');
  app = createServerApp({ store, replicaDirectory: path.join(home, 'mcp'), limits: 'none' });
  server = await listen(app, { host: '127.0.0.1', port: 0, graceMs: 50 });
  relay = http.createServer((asked, answer) => {
    const { url, method, headers } = asked;
    const options = { host: '127.0.0.1', port: server.port, path: url, method };
    const passed = http.request({ ...options, headers: { ...headers, authorization: `Bearer ${key.apiKey}` } });
    passed.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  relay.closeAllConnections();
  relay.close();
  await server.close();
  await app.close();
  await store.close();
  await run(process.execPath, [smProgram(), 'host', 'stop'], { env: environment() });
  removeDirectory(home);
});

function environment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    STACKMEMORY_HOME: path.join(home, 'sm'),
    PROVENANT_PROJECT_ID: 'project',
    PROVENANT_WORKSPACE_ID: '',
  };
}

async function inspect(target: string[], words: string[]): Promise<Record<string, unknown>> {
  fs.mkdirSync(path.join(home, 'sm'), { recursive: true });
  const { stdout } = await run(process.execPath, [INSPECTOR, '--cli', ...target, ...words], {
    cwd: home,
    env: environment(),
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test.each([
  ['sm mcp', (): string[] => [process.execPath, smProgram(), 'mcp']],
  ['the server', (): string[] => [`${server.url}/mcp`, '--header', `Authorization: Bearer ${key.apiKey}`]],
])('[A14] the inspector drives %s', async (_, targetOf) => {
  const call = (tool: string, ...args: string[]) =>
    inspect(targetOf(), ['--method', 'tools/call', '--tool-name', tool, ...args.flatMap((arg) => ['--tool-arg', arg])]);
  const { tools } = (await inspect(targetOf(), ['--method', 'tools/list'])) as { tools: { name: string }[] };
  expect(tools.map(({ name }) => name)).toEqual([
    'brain_recall',
    'brain_context',
    'brain_record',
    'brain_show',
    'brain_supersede',
    'brain_feedback',
  ]);
  const title = `Found by the inspector ${randomUUID()}`;
  const recorded = await call('brain_record', `title=${title}`, 'kind=insight', 'confidence=0.8');
  expect(recorded).toMatchObject({ structuredContent: { entry: { title, confidence: 0.8 } } });
  const recalled = await call('brain_recall', 'query=found by the inspector');
  expect(recalled).toMatchObject({ structuredContent: { entries: [{ title }] } });
  expect(await call('brain_show', 'id=zzzz')).toMatchObject({ isError: true });
  const { resources } = (await inspect(targetOf(), ['--method', 'resources/list'])) as { resources: { uri: string }[] };
  const read = await inspect(targetOf(), ['--method', 'resources/read', '--uri', resources[0]?.uri ?? '']);
  expect(JSON.stringify(read)).toContain(title);
  const prompt = await inspect(targetOf(), ['--method', 'prompts/get', '--prompt-name', 'record_experiment']);
  expect(JSON.stringify(prompt)).toContain('brain_record');
});

test.each([
  'server-initialize',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
])('[A14] the conformance suite finds nothing amiss: %s', async (scenario) => {
  const { port } = relay.address() as AddressInfo;
  const words = ['server', '--url', `http://127.0.0.1:${port}/mcp`, '--scenario', scenario];
  const { stdout, stderr } = await run(process.execPath, [CONFORMANCE, ...words], { cwd: home, env: environment() });
  // Colours are not ours to turn off.
  const said = `${stdout}${stderr}`.replaceAll(/\u001b\[\d*m/g, '');
  expect(said).toMatch(/Passed: (\d+)\/\1, 0 failed/);
  expect(said).not.toContain('FAILURE');
});
