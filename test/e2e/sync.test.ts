/**
 * Three brains with their hosts and one server, as processes: a conclusion of one is with the others by itself, and
 * whatever is killed or cut off, in the end all hold the same. SYNC_SECONDS prolongs the bad time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endProcessesOf, hostInfoOf, kill } from '../support/host-brain.ts';
import { runSm } from '../support/host-commands.ts';
import { waitUntil } from '../support/host-wait.ts';

const SECONDS = Number(process.env['SYNC_SECONDS'] ?? 12);
const HOMES = 3;
const root = fileURLToPath(new URL('../../', import.meta.url));

let directory: string;
let homes: string[];
let stub: ChildProcess;
let ready: { url: string; apiKey: string; workspaceId: string; projectId: string };

beforeAll(async () => {
  directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'sm-test-')));
  await startStub('0');
  homes = Array.from({ length: HOMES }, (_, number) => path.join(directory, `home-${number}`));
  const { url: apiUrl, apiKey, workspaceId, projectId } = ready;
  for (const home of homes) {
    fs.mkdirSync(home, { mode: 0o700 });
    const auth = { apiKey, apiUrl, workspaceId, projectId };
    fs.writeFileSync(path.join(home, 'config.json'), JSON.stringify({ auth }), { mode: 0o600 });
  }
});
afterAll(async () => {
  kill(stub.pid ?? 0);
  await endProcessesOf(directory);
  fs.rmSync(directory, { recursive: true, force: true });
});

/** The stub on a port, over the store that is kept. */
async function startStub(port: string): Promise<void> {
  const words = [
    '--import',
    'tsx',
    'server-stub/main.ts',
    '--json',
    '--port',
    port,
    '--data',
    path.join(directory, 'server'),
  ];
  stub = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  stub.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const line = await waitUntil('the stub', () => (text.includes('\n') ? text : undefined));
  ready = JSON.parse(line) as typeof ready;
}

async function setFaults(faults: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  await fetch(`${ready.url}/stub/faults`, { method: 'POST', headers, body: JSON.stringify({ faults }) });
}

async function requestsSoFar(): Promise<number> {
  const { requests } = (await (await fetch(`${ready.url}/stub/faults`)).json()) as { requests: number };
  return requests;
}

interface Listed {
  entryId: string;
  title: string;
}

async function listOf(home: string): Promise<Listed[]> {
  const { stdout, exitCode } = await runSm(home, ['brain', 'list', '--org', '--json', '--limit', '10000']);
  expect(exitCode).toBe(0);
  const entries = JSON.parse(stdout) as Listed[];
  return entries.toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1));
}

test('[S17] what one brain records the others recall by themselves, and an idle team is silent', async () => {
  const [first = '', ...others] = homes;
  for (const home of homes) expect((await runSm(home, ['brain', 'status'])).exitCode).toBe(0);
  await runSm(first, ['brain', 'record', '--title', 'Jitter ends the stampede']);
  for (const home of others) {
    await waitUntil('the others to recall it', async () => {
      const { stdout } = await runSm(home, ['brain', 'recall', 'stampede', '--org', '--json']);
      return (JSON.parse(stdout) as unknown[]).length === 1;
    });
  }
  // Two looks at the same count, with time between them in which a poller would have asked.
  let before = -1;
  await waitUntil('silence', async () => {
    const now = await requestsSoFar();
    const isSilent = now === before;
    before = now;
    if (!isSilent) await new Promise((resolve) => setTimeout(resolve, 2_000));
    return isSilent;
  });
});

test('[S2][S17] hosts and server are killed and the network fails: then all are equal, and nothing acknowledged is gone', async () => {
  const acknowledged: string[] = [];
  const deadline = performance.now() + SECONDS * 1_000;
  await setFaults('latency:0..150;cut:head,chance=0.1;lost,chance=0.1;cut:body,chance=0.1');
  const writing = homes.map(async (home, lane) => {
    for (let number = 0; performance.now() < deadline; number += 1) {
      const title = `lane ${lane} number ${number}`;
      if ((await runSm(home, ['brain', 'record', '--title', title])).exitCode === 0) acknowledged.push(title);
    }
  });
  const { port } = new URL(ready.url);
  for (let turn = 0; performance.now() < deadline; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 700));
    const home = homes[turn % HOMES] ?? '';
    if (turn % 4 === 3) {
      kill(stub.pid ?? 0);
      await startStub(port);
      await setFaults('latency:0..150;cut:head,chance=0.1;lost,chance=0.1;cut:body,chance=0.1');
    } else {
      const host = hostInfoOf(path.join(home, 'brain'));
      if (host !== undefined) kill(host.pid);
    }
  }
  await Promise.all(writing);
  await setFaults('');
  expect(acknowledged.length).toBeGreaterThan(10);
  // The first round takes everybody's writes to the server, the second brings them to all.
  for (const home of [...homes, ...homes]) {
    const { exitCode, stderr } = await runSm(home, ['brain', 'sync']);
    expect(exitCode, stderr).toBe(0);
  }
  const lists = await Promise.all(homes.map(listOf));
  for (const list of lists) expect(list).toEqual(lists[0]);
  const titles = (lists[0] ?? []).map(({ title }) => title).filter((title) => title.startsWith('lane'));
  expect(titles).toEqual(expect.arrayContaining(acknowledged));
  expect(new Set(titles).size).toBe(titles.length);
  for (const home of homes) {
    const { exitCode, stdout } = await runSm(home, ['brain', 'sync', '--verify', '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ success: true, pending: 0, verification: { isEqual: true } });
    expect((await runSm(home, ['doctor'])).exitCode).toBe(0);
  }
});
