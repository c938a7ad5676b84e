/**
 * What `sm setup` writes, read by the agents' own programs: each says itself that it accepts the server. They are fetched
 * from npm, pinned, once (a gigabyte), and work in a home of their own, without an account.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { smProgram } from '../support/host-commands.ts';
import { standInModel, startOpencode } from './opencode.ts';

const PROGRAMS = {
  claude: '@anthropic-ai/claude-code@2.1.332',
  codex: '@openai/codex@0.171.0',
  gemini: '@google/gemini-cli@0.61.0',
  opencode: 'opencode-ai@1.18.33',
} as const;
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/agents', import.meta.url));
const ANSWER_TIMEOUT_MS = 3 * 60_000;
const run = promisify(execFile);
const worlds: World[] = [];

beforeAll(async () => {
  fs.mkdirSync(CACHE, { recursive: true });
  fs.writeFileSync(path.join(CACHE, 'package.json'), '{}');
  await run('npm', ['install', '--no-audit', '--no-fund', ...Object.values(PROGRAMS)], { cwd: CACHE });
});

afterAll(async () => {
  for (const { home, ask } of worlds) {
    await ask(process.execPath, smProgram(), 'host', 'stop');
    fs.rmSync(home, { recursive: true, force: true });
  }
});

interface World {
  home: string;
  project: string;
  env: NodeJS.ProcessEnv;
  /** What the program has printed, colours taken away. */
  ask: (program: string, ...words: string[]) => Promise<string>;
}

async function newWorld(agent: keyof typeof PROGRAMS): Promise<World> {
  // Codex makes no helpers below the directory for temporary files.
  const home = fs.mkdtempSync(path.join(CACHE, 'home-'));
  const project = path.join(home, 'project');
  fs.mkdirSync(project);
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, NO_COLOR: '1' };
  await run('git', ['init', '--quiet'], { cwd: project });
  const ask = async (program: string, ...words: string[]): Promise<string> => {
    const { stdout, stderr } = await run(program, words, { cwd: project, env, timeout: ANSWER_TIMEOUT_MS });
    // eslint-disable-next-line no-control-regex
    return `${stdout}${stderr}`.replaceAll(/\u001B\[[\d;]*m/g, '');
  };
  await ask(process.execPath, smProgram(), 'setup', agent);
  const world = { home, project, env, ask };
  worlds.push(world);
  return world;
}

const program = (name: string): string => path.join(CACHE, 'node_modules/.bin', name);

test.each([
  ['claude', ['mcp', 'list'], /stackmemory: .* mcp - ✔ Connected/],
  ['codex', ['mcp', 'list'], /stackmemory .* mcp .* enabled/],
  ['gemini', ['mcp', 'list'], /stackmemory: .* mcp \(stdio\)/],
  ['opencode', ['mcp', 'list'], /✓ stackmemory\s+connected/],
] as const)('[A7] %s itself accepts what was written', async (agent, words, expected) => {
  const world = await newWorld(agent);
  expect(await world.ask(program(agent), ...words)).toMatch(expected);
});

test('[A9] [A11] a real session of OpenCode is told what the brain knows, and asked once at its end to record', async () => {
  const world = await newWorld('opencode');
  const sm = (...words: string[]) => world.ask(process.execPath, smProgram(), ...words);
  const old = { title: 'Queue in front of the pool', kind: 'decision', created_at: '2025-01-01T00:00:00Z' };
  fs.writeFileSync(path.join(world.home, 'old.jsonl'), JSON.stringify(old));
  await sm('brain', 'import', path.join(world.home, 'old.jsonl'));
  await using model = await standInModel();
  await using opencode = await startOpencode(program('opencode'), world, model.url);
  await opencode.say('hello one');
  expect(model.heard()).toContain('Queue in front of the pool');
  const sessions = path.join(world.home, '.stackmemory/sessions');
  const [mark = ''] = fs.readdirSync(sessions);
  const longAgo = { startedMs: Date.now() - 3_600_000, isReminded: false };
  fs.writeFileSync(path.join(sessions, mark), JSON.stringify(longAgo));
  await opencode.say('hello two');
  await expect
    .poll(() => model.said(), { timeout: 30_000 })
    .toContainEqual(expect.stringContaining('Nothing was recorded'));
  await opencode.say('hello three');
  expect(model.said().filter((text) => text.includes('Nothing was recorded'))).toHaveLength(1);
});
