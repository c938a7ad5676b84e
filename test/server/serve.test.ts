/** `sm serve` and `sm server …` as they are built and run: listening, administration beside a running server, ends. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { flatChange } from '../support/server-changes.ts';
import { createTestKey } from '../support/server-keys.ts';
import { type ServerProcess, startServe } from '../support/server-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

let home: string;
let data: string;
let running: ServerProcess | undefined;

beforeAll(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-serve-'));
  data = path.join(home, 'server');
});

afterAll(async () => {
  await running?.end('SIGKILL');
  fs.rmSync(home, { recursive: true, force: true });
});

interface Ended {
  code: number;
  out: string;
  talk: string;
}

async function sm(...words: string[]): Promise<Ended> {
  const env = { ...process.env, STACKMEMORY_HOME: home, DATABASE_URL: '' };
  try {
    const { stdout, stderr } = await run(process.execPath, ['dist/sm.cjs', ...words], { cwd: root, env });
    return { code: 0, out: stdout, talk: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, talk: stderr };
  }
}

async function start(): Promise<ServerProcess> {
  running = await startServe([], { STACKMEMORY_HOME: home, DATABASE_URL: '' });
  return running;
}

async function push(url: string, apiKey: string, number: number): Promise<number> {
  const changes = [flatChange({ number, title: `entry ${number}`, updatedAt: 5, workspaceId: '' })];
  const response = await fetch(`${url}/v1/brain/push`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ protocolVersion: 2, clientId: 'r', changes }),
  });
  return response.status;
}

test('[V6] [V12] [X4] keys and invitations are made, listed and revoked whether the server runs or not', async () => {
  const before = JSON.parse((await sm('server', 'key', 'create', '--new-workspace', 'acme', '--json')).out) as {
    apiKey: string;
    workspaceId: string;
  };
  const server = await start();
  expect(fs.statSync(path.join(data, 'admin-token')).mode & 0o777).toBe(0o600);
  expect(fs.statSync(data).mode & 0o777).toBe(0o700);
  const during = JSON.parse(
    (await sm('server', 'key', 'create', '--workspace', 'acme', '--name', 'ci', '--json')).out,
  ) as { apiKey: string; prefix: string; workspaceId: string };
  expect(during.workspaceId).toBe(before.workspaceId);
  for (const { apiKey } of [before, during]) expect(await push(server.url, apiKey, 1)).toBe(200);
  expect((await sm('server', 'key', 'create', '--workspace', 'acme')).out).toMatch(/^sm_[a-z2-9]{8}_[a-z2-9]{32}\n$/);
  const listed = await sm('server', 'key', 'list');
  expect(listed.out).toContain(during.prefix);
  expect(listed.out).not.toContain(during.apiKey);
  expect(await sm('server', 'key', 'revoke', during.prefix)).toMatchObject({
    code: 0,
    out: `revoked ${during.prefix}\n`,
  });
  expect(await push(server.url, during.apiKey, 2)).toBe(401);
  expect(await sm('server', 'key', 'revoke', during.prefix)).toMatchObject({ code: 3 });
  const invited = await sm('server', 'invite', 'create', '--email', 'ada@example.org', '--expires', '2d');
  expect(invited.out).toMatch(/^inv_[a-z2-9]{8}_[a-z2-9]{32}\n$/);
  const invitation = invited.out.trim();
  const signedUp = await fetch(`${server.url}/v1/setup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Invitation': invitation },
    body: JSON.stringify({ email: 'ada@example.org' }),
  });
  expect(signedUp.status).toBe(200);
  expect((await sm('server', 'workspace', 'list')).out).toContain('ada@example.org');
  expect((await sm('server', 'epoch', 'renew')).out).toMatch(/^new epoch [0-9a-f-]{36}\n$/);
  expect(await server.end('SIGTERM')).toBe(0);
  for (const line of server.talk().trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ service: 'stackmemory' });
  expect(server.talk()).not.toContain(before.apiKey);
  expect(await sm('server', 'key', 'list', '--json')).toMatchObject({ code: 0 });
});

test('[V2] what was acknowledged is there after a kill', async () => {
  const { apiKey } = JSON.parse((await sm('server', 'key', 'create', '--new-workspace', 'killed', '--json')).out) as {
    apiKey: string;
  };
  const server = await start();
  for (const number of [1, 2, 3]) expect(await push(server.url, apiKey, number)).toBe(200);
  await server.end('SIGKILL');
  const again = await start();
  const response = await fetch(`${again.url}/v1/brain/pull`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ protocolVersion: 2, clientId: 'x', since: 0 }),
  });
  const { changes } = (await response.json()) as { changes: { title: string }[] };
  expect(changes.map(({ title }) => title)).toEqual(['entry 1', 'entry 2', 'entry 3']);
  const second = await sm('serve', '--port', '0');
  expect(second).toMatchObject({ code: 7, out: '' });
  expect(second.talk).toContain(data);
  const admin = JSON.parse(fs.readFileSync(path.join(data, 'server.json'), 'utf8')) as { url: string };
  expect(admin.url).toBe(again.url);
  expect(await again.end('SIGINT')).toBe(0);
});

test.each(['SIGINT', 'SIGTERM'] as const)('[V12] %s while the server starts ends it', async (signal) => {
  // Arrives while the bundle of the server is being loaded, which no signal interrupts.
  const preload = path.join(home, `${signal}.cjs`);
  fs.writeFileSync(
    preload,
    `const Module = require('node:module');
    const load = Module._load;
    Module._load = (...values) => {
      if (String(values[0]).endsWith('server.cjs')) process.kill(process.pid, '${signal}');
      return load(...values);
    };`,
  );
  const words = ['--require', preload, 'dist/sm.cjs', 'serve', '--port', '0', '--data', path.join(home, signal)];
  const child = spawn(process.execPath, words, { cwd: root, stdio: 'ignore' });
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('[V12] what stands in the way of serving is said, with what to do', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as net.AddressInfo;
  expect(await sm('serve', '--port', String(port))).toMatchObject({ code: 4, out: '' });
  taken.close();
  const brain = path.join(home, 'brain');
  fs.mkdirSync(path.join(brain, 'data'), { recursive: true });
  fs.writeFileSync(
    path.join(brain, 'data', 'stackmemory.json'),
    '{"product":"stackmemory","dataFormat":1,"postgresMajor":18}',
  );
  const foreign = await sm('serve', '--port', '0', '--data', brain);
  expect(foreign.code).toBe(7);
  expect(foreign.talk).toContain('--data');
  expect(fs.readdirSync(path.join(brain, 'data'))).toEqual(['stackmemory.json']);
  const file = path.join(home, 'file');
  fs.writeFileSync(file, '');
  expect((await sm('serve', '--port', '0', '--data', path.join(file, 'x'))).code).toBe(7);
  const unreachable = await sm('serve', '--port', '0', '--database-url', 'postgres://me:hidden@127.0.0.1:1/x');
  expect(unreachable.code).toBe(5);
  expect(unreachable.talk).toContain('127.0.0.1:1/x');
  expect(unreachable.talk).not.toContain('hidden');
  for (const words of [
    ['--port', '99999'],
    ['--port', 'x'],
    ['--signup', 'all'],
    ['--log-level', 'loud'],
  ]) {
    expect((await sm('serve', ...words)).code).toBe(2);
  }
  expect((await sm('serve', '--database-url', 'mysql://x')).code).toBe(2);
  for (const words of [
    ['key', 'x'],
    ['key', 'revoke'],
    ['key', 'create'],
    ['invite', 'create', '--expires', 'soon'],
  ]) {
    expect((await sm('server', ...words)).code).toBe(2);
  }
});

test('[V17] a port to which no client connects is refused before anything is made', async () => {
  const { code, talk } = await sm('serve', '--port', '6000', '--data', path.join(home, 'blocked'));
  expect(code).toBe(2);
  expect(talk).toContain('--port names port 6000, to which no client connects');
  expect(fs.existsSync(path.join(home, 'blocked'))).toBe(false);
});

test('[V17] administration of a directory without a server fails and makes nothing', async () => {
  const slip = path.join(home, 'slip');
  const empty = path.join(home, 'empty');
  fs.mkdirSync(empty);
  for (const words of [
    ['key', 'list'],
    ['key', 'revoke', 'k3v9x2mq'],
    ['key', 'create', '--workspace', 'acme'],
    ['invite', 'create'],
    ['invite', 'list'],
    ['invite', 'revoke', 'k3v9x2mq'],
    ['workspace', 'list'],
    ['epoch', 'renew'],
  ]) {
    const { code, out, talk } = await sm('server', ...words, '--data', slip);
    expect({ words, code, out }).toEqual({ words, code: 3, out: '' });
    expect(talk).toContain(`No server has its data in ${slip}`);
  }
  expect((await sm('server', 'key', 'list', '--data', empty, '--json')).code).toBe(3);
  expect([fs.existsSync(slip), fs.readdirSync(empty)]).toEqual([false, []]);
});

test('[V17] the first key of a new workspace begins a store, and says so', async () => {
  const data = path.join(home, 'begun');
  const create = ['server', 'key', 'create', '--new-workspace', 'acme', '--json', '--data', data];
  const first = await sm(...create);
  expect(first).toMatchObject({ code: 0, talk: `${data}: a new store is made here.\n` });
  expect(await sm(...create)).toMatchObject({ code: 0, talk: '' });
});

test('[V13] the embedded store keeps everything over a restart, and is locked while it is open', async () => {
  const dataDirectory = path.join(home, 'kept');
  const first = await openEmbeddedServerStore({ dataDirectory });
  const key = await createTestKey(first, 'kept');
  await expect(openEmbeddedServerStore({ dataDirectory })).rejects.toMatchObject({ code: 'store_locked' });
  const epoch = await first.readEpoch();
  await Promise.all([first.close(), first.close()]);
  await expect(first.ping()).rejects.toMatchObject({ code: 'unavailable' });
  const second = await openEmbeddedServerStore({ dataDirectory });
  expect(await second.readEpoch()).toBe(epoch);
  expect((await second.listWorkspaces()).map(({ workspaceId }) => workspaceId)).toEqual([key.workspaceId]);
  await second.close();
  fs.rmSync(path.join(dataDirectory, 'data', 'PG_VERSION'));
  await expect(openEmbeddedServerStore({ dataDirectory })).rejects.toMatchObject({ code: 'store_damaged' });
  expect(fs.existsSync(path.join(dataDirectory, 'data', 'PG_VERSION'))).toBe(false);
});
