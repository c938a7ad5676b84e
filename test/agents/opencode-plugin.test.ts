/** The plugin that `sm setup opencode` writes, loaded as OpenCode loads it, with the real program behind it. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { opencodePlugin } from '../../lib/agents/opencode-plugin.ts';
import { sha256Hex } from '../../lib/protocol/hash.ts';
import { smProgram } from '../support/host-commands.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

interface Hooks {
  'experimental.chat.system.transform'(input: { sessionID?: string }, output: { system: string[] }): Promise<void>;
  'tool.execute.before'(input: object, output: { args: { command?: unknown } }): Promise<void>;
  'tool.execute.after'(input: { callID: string }, output: { output: string }): Promise<void>;
  event(input: { event: { type: string; properties: object } }): Promise<void>;
  'shell.env'(input: { sessionID?: string }, output: { env: Record<string, string> }): Promise<void>;
}

const run = promisify(execFile);
const before = { ...process.env };
let home: string;

beforeAll(async () => {
  home = makeDirectory();
  // The plugin gives its program the environment that it is in itself.
  Object.assign(process.env, { STACKMEMORY_HOME: home, HOME: home, PROVENANT_PROJECT_ID: 'p' });
  for (const words of [
    [
      '--kind',
      'experiment',
      '--title',
      'Raise the pool of connections to 50',
      '--conclusion',
      'It failed: p99 doubled',
    ],
    ['--kind', 'decision', '--title', 'Queue in front of the pool'],
  ]) {
    await run(process.execPath, [smProgram(), 'brain', 'record', ...words], { cwd: home });
  }
});
afterAll(async () => {
  await run(process.execPath, [smProgram(), 'host', 'stop'], { cwd: home });
  for (const name of ['STACKMEMORY_HOME', 'HOME', 'PROVENANT_PROJECT_ID']) {
    if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before[name];
  }
  removeDirectory(home);
});

async function load(program: readonly string[], said: unknown[] = []): Promise<Hooks> {
  const file = path.join(home, `${randomUUID()}.mjs`);
  fs.writeFileSync(file, opencodePlugin(program));
  const { StackMemory } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
    StackMemory: (context: object) => Promise<Hooks>;
  };
  const promptAsync = async (prompt: unknown) => void said.push(prompt);
  return StackMemory({ directory: home, client: { session: { promptAsync } } });
}

async function bash(hooks: Hooks, command: unknown, tool = 'bash'): Promise<string> {
  const callID = randomUUID();
  const answer = { output: 'ran' };
  await hooks['tool.execute.before']({ tool, sessionID: 's', callID }, { args: { command } });
  await hooks['tool.execute.after']({ callID }, answer);
  return answer.output;
}

test('[A9] OpenCode is told at each turn of a session what the brain knew at its start', async () => {
  const hooks = await load([process.execPath, smProgram()]);
  const first = { system: ['own'] };
  await hooks['experimental.chat.system.transform']({ sessionID: 's1' }, first);
  expect(first.system).toHaveLength(2);
  expect(first.system[1]).toContain('Queue in front of the pool');
  const next = { system: ['own'] };
  await hooks['experimental.chat.system.transform']({ sessionID: 's1' }, next);
  expect(next.system).toEqual(first.system);
  const none = { system: ['own'] };
  await hooks['experimental.chat.system.transform']({}, none);
  expect(none.system).toEqual(['own']);
  const shell = { env: {} };
  await hooks['shell.env']({ sessionID: 's1' }, shell);
  expect(shell.env).toEqual({ SM_SESSION: 's1' });
});

test('[A10] OpenCode is told behind a command that it was tried and failed, and behind no other', async () => {
  const hooks = await load([process.execPath, smProgram()]);
  expect(await bash(hooks, 'raise the pool of connections to 50')).toMatch(/^ran\n\n.*tried here before and failed/s);
  expect(await bash(hooks, 'make dinner for eight people')).toBe('ran');
  expect(await bash(hooks, 'raise the pool of connections to 50', 'edit')).toBe('ran');
  expect(await bash(hooks, { odd: true })).toBe('ran');
});

test('[A11] a long session of OpenCode of which nothing was recorded is asked once, and those of its helpers never', async () => {
  const said: unknown[] = [];
  const hooks = await load([process.execPath, smProgram()], said);
  const idle = (sessionID: string) => hooks.event({ event: { type: 'session.idle', properties: { sessionID } } });
  const info = { id: 'helper', parentID: 'long' };
  await hooks.event({ event: { type: 'session.created', properties: { info } } });
  // Another project, of which nothing is recorded.
  process.env['PROVENANT_PROJECT_ID'] = 'empty';
  for (const id of ['long', 'helper']) {
    await hooks['experimental.chat.system.transform']({ sessionID: id }, { system: [] });
    const file = path.join(home, 'sessions', `${sha256Hex(id).slice(0, 32)}.json`);
    expect(fs.existsSync(file)).toBe(true);
    fs.writeFileSync(file, JSON.stringify({ startedMs: Date.now() - 3_600_000, isReminded: false }));
  }
  for (const id of ['helper', 'long', 'long']) await idle(id);
  process.env['PROVENANT_PROJECT_ID'] = 'p';
  const text = expect.stringContaining('Nothing was recorded in this session') as string;
  expect(said).toEqual([{ path: { id: 'long' }, body: { parts: [{ type: 'text', text }] } }]);
});

test.each([
  ['is not there', ['/nonexistent/sm']],
  ['fails', [process.execPath, '-e', 'process.exit(7)']],
  ['talks nonsense', [process.execPath, '-e', 'console.log("{}"); process.stdin.destroy()']],
  ['never ends', [process.execPath, '-e', 'setInterval(() => {}, 1000)', '--']],
])('[A12] OpenCode goes on where the program %s', async (_, program) => {
  const hooks = await load(program);
  const output = { system: ['own'] };
  await hooks['experimental.chat.system.transform']({ sessionID: 's' }, output);
  expect(output.system).toEqual(['own']);
  await hooks.event({ event: { type: 'session.idle', properties: { sessionID: 's' } } });
});
