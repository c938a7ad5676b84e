/** `sm setup` as it is built, on real files in a home of its own. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { smProgram } from '../support/host-commands.ts';
import { missingForDisks, mountReadOnly, SmallDisk } from '../support/host-disk.ts';

interface World {
  home: string;
  project: string;
  sm(...words: string[]): Promise<{ code: number; out: string; talk: string }>;
}

/** @param places environment variables that name directories in the home */
function createWorld(places: Readonly<Record<string, string>> = {}): World {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-setup-'));
  const project = path.join(home, 'project');
  fs.mkdirSync(project);
  onTestFinished(() => fs.rmSync(home, { recursive: true, force: true }));
  const {
    CLAUDE_CONFIG_DIR: _claude,
    CODEX_HOME: _codex,
    XDG_CONFIG_HOME: _xdg,
    HERMES_HOME: _hermes,
    ...rest
  } = process.env;
  const named = Object.fromEntries(Object.entries(places).map(([name, place]) => [name, path.join(home, place)]));
  const own = { HOME: home, STACKMEMORY_HOME: path.join(home, '.stackmemory'), PATH: path.join(home, 'bin') };
  const env = { ...rest, ...own, ...named };
  return {
    home,
    project,
    async sm(...words) {
      try {
        const run = promisify(execFile)(process.execPath, [smProgram(), ...words], { cwd: project, env });
        const { stdout, stderr } = await run;
        return { code: 0, out: stdout, talk: stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, out: stdout, talk: stderr };
      }
    },
  };
}

/** Every file below, with its bytes; links by what they name. */
function tree(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, recursive: true })) {
    const place = path.join(entry.parentPath, entry.name);
    if (place.includes('.stackmemory')) continue;
    if (entry.isSymbolicLink()) files[place] = `-> ${fs.readlinkSync(place)}`;
    else if (entry.isFile())
      files[place] = `${(fs.statSync(place).mode & 0o777).toString(8)} ${fs.readFileSync(place, 'base64')}`;
  }
  return files;
}

function put(world: World, file: string, text: string, mode = 0o644): string {
  const place = path.join(world.home, file);
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.writeFileSync(place, text, { mode });
  return place;
}

const AGENTS = ['claude', 'codex', 'opencode', 'hermes', 'cursor', 'gemini'];

function putOddFiles(world: World): void {
  put(world, '.claude.json', '{"oauth": "secret", "projects": {}}', 0o600);
  put(
    world,
    '.claude/settings.json',
    '{\r\n    // mine, and dear\r\n    "permissions": {"allow": ["Bash(ls)",],},\r\n}\r\n',
  );
  put(world, 'dotfiles/CLAUDE.md', '\uFEFF# Rules\n\nUse tabs.', 0o640);
  fs.symlinkSync('../dotfiles/CLAUDE.md', path.join(world.home, '.claude/CLAUDE.md'));
  put(world, '.codex/config.toml', 'model = "x"   # odd\n\n[mcp_servers.other]\ncommand = "y"');
  put(world, '.config/opencode/opencode.jsonc', '// jsonc\n{ "theme": "x", /* , */ }\n');
  put(
    world,
    '.hermes/config.yaml',
    '# yaml\nmcp_servers:\n    # first\n    other: {command: x}\nmodel: a\nhooks: {} # none\n',
  );
  put(world, '.gemini/settings.json', '{"mcpServers":{"other":{"command":"x"}}}');
}

test.each(AGENTS)(
  '[A7] [A8] %s: set up twice is set up once, and taken back every byte is as it was',
  async (agent) => {
    const world = createWorld();
    putOddFiles(world);
    const before = tree(world.home);
    const first = await world.sm('setup', agent);
    expect(first).toMatchObject({ code: 0, talk: '' });
    expect(first.out).not.toContain('secret');
    const between = tree(world.home);
    expect(between).not.toEqual(before);
    expect((await world.sm('setup', agent)).out).toContain(`${agent}: all is there already`);
    expect(tree(world.home)).toEqual(between);
    expect((await world.sm('setup', agent, '--remove')).code).toBe(0);
    expect(tree(world.home)).toEqual(before);
    expect((await world.sm('setup', agent, '--remove')).out).toContain('nothing of ours is there');
  },
);

test.each(AGENTS)('[A8] %s: of directories that were made nothing is left', async (agent) => {
  const world = createWorld();
  const before = fs.readdirSync(world.home, { recursive: true });
  expect((await world.sm('setup', agent)).code).toBe(0);
  expect((await world.sm('setup', agent, '--remove')).code).toBe(0);
  const left = fs.readdirSync(world.home, { recursive: true }).map(String);
  expect(left.filter((name) => !name.startsWith('.stackmemory'))).toEqual(before);
});

test('[A8] a directory that two agents share goes with the last of them, whichever made it', async () => {
  const inOne = { CLAUDE_CONFIG_DIR: 'agents/of/claude', CODEX_HOME: 'agents/of/codex', HERMES_HOME: 'agents/hermes' };
  const left = (world: World) => fs.readdirSync(world.home).filter((name) => name !== '.stackmemory');
  for (const order of [
    ['claude', 'codex', 'hermes'],
    ['hermes', 'codex', 'claude'],
    ['codex', 'hermes', 'claude'],
  ]) {
    const world = createWorld(inOne);
    const before = left(world);
    for (const agent of ['claude', 'codex', 'hermes']) expect((await world.sm('setup', agent)).code).toBe(0);
    for (const agent of order) {
      expect(left(world)).toContain('agents');
      expect((await world.sm('setup', agent, '--remove')).code).toBe(0);
    }
    expect(left(world)).toEqual(before);
  }
  // What is somebody's own stays, and so does what is around it.
  const world = createWorld(inOne);
  await world.sm('setup', 'claude');
  await world.sm('setup', 'hermes');
  put(world, 'agents/of/mine', '');
  await world.sm('setup', 'claude', '--remove');
  await world.sm('setup', 'hermes', '--remove');
  expect(fs.readdirSync(path.join(world.home, 'agents'), { recursive: true }).map(String).toSorted()).toEqual([
    'of',
    path.join('of', 'mine'),
  ]);
});

test.skipIf(missingForDisks() !== undefined)(
  '[A8] where its note cannot be written nothing is changed, by setting up and by taking back',
  async () => {
    const disk = new SmallDisk(1024 * 1024);
    onTestFinished(() => disk.remove());
    const world = createWorld();
    putOddFiles(world);
    const own = path.join(disk.directory, 'own');
    fs.mkdirSync(own);
    fs.symlinkSync(own, path.join(world.home, '.stackmemory'));
    const before = tree(world.home);
    const failureOf = async (...words: string[]) => {
      const { code, talk } = await world.sm('setup', 'claude', '--json', ...words);
      return [code, (JSON.parse(talk) as { error: string }).error];
    };
    disk.fill(0);
    expect(await failureOf()).toEqual([7, 'disk_full']);
    expect(tree(world.home)).toEqual(before);
    disk.free();
    expect((await world.sm('setup', 'claude')).code).toBe(0);
    const between = tree(world.home);
    disk.fill(0);
    expect(await failureOf('--remove')).toEqual([7, 'disk_full']);
    expect(tree(world.home)).toEqual(between);
    disk.free();
    const restore = mountReadOnly(own);
    try {
      expect(await failureOf('--remove')).toEqual([7, 'no_permission']);
    } finally {
      restore();
    }
    expect((await world.sm('setup', 'claude', '--remove')).code).toBe(0);
    expect(tree(world.home)).toEqual(before);
  },
);

test.skipIf(missingForDisks() !== undefined)('[A8] settings on a full disk are left, and said to be so', async () => {
  const disk = new SmallDisk(1024 * 1024);
  onTestFinished(() => disk.remove());
  const world = createWorld();
  fs.symlinkSync(disk.directory, path.join(world.home, '.gemini'));
  const file = put(world, '.gemini/settings.json', '{}');
  disk.fill(0);
  const { code, talk } = await world.sm('setup', 'gemini', '--json');
  expect([code, (JSON.parse(talk) as { error: string }).error]).toEqual([7, 'disk_full']);
  expect(fs.readFileSync(file, 'utf8')).toBe('{}');
  expect(fs.readdirSync(disk.directory).toSorted()).toEqual(['filler', 'settings.json']);
  disk.free();
  const notes = path.join(world.home, '.stackmemory/setup/written.json');
  expect(Object.keys(JSON.parse(fs.readFileSync(notes, 'utf8')) as object)).not.toContain(file);
});

test('[A8] what the user has written since stays when ours is taken back', async () => {
  const world = createWorld();
  putOddFiles(world);
  await world.sm('setup', 'claude');
  const settings = path.join(world.home, '.claude/settings.json');
  fs.writeFileSync(settings, fs.readFileSync(settings, 'utf8').replace('// mine', '// mine since yesterday'));
  await world.sm('setup', 'claude', '--remove');
  const after = fs.readFileSync(settings, 'utf8');
  expect(after).toContain('// mine since yesterday, and dear');
  expect(after).not.toContain('sm.cjs');
  expect(fs.readFileSync(path.join(world.home, '.claude.json'), 'utf8')).toBe('{"oauth": "secret", "projects": {}}');
});

test('[A8] a program that has moved is written anew, and taken back the file is as it was', async () => {
  const world = createWorld();
  putOddFiles(world);
  const before = tree(world.home);
  await world.sm('setup', 'claude');
  fs.mkdirSync(path.join(world.home, 'bin'));
  fs.symlinkSync(smProgram(), path.join(world.home, 'bin/sm'));
  expect((await world.sm('setup', 'claude')).out).toContain('2 files changed');
  const settings = fs.readFileSync(path.join(world.home, '.claude/settings.json'), 'utf8');
  expect(settings).toContain('"sm hook session-start --agent claude"');
  expect(settings).not.toContain('sm.cjs');
  await world.sm('setup', 'claude', '--remove');
  fs.rmSync(path.join(world.home, 'bin'), { recursive: true });
  expect(tree(world.home)).toEqual(before);
});

test('[A8] --dry-run shows the same and changes nothing', async () => {
  const world = createWorld();
  putOddFiles(world);
  const before = tree(world.home);
  const dry = await world.sm('setup', 'codex', '--dry-run');
  expect(tree(world.home)).toEqual(before);
  expect(dry.out).toContain('+[mcp_servers.stackmemory]');
  const wet = await world.sm('setup', 'codex');
  expect(wet.out.replace('3 files changed', '')).toContain(dry.out.split('codex: ')[0] as string);
});

test.each([
  ['broken', '{"a": ', 0o644],
  ['no object', '[1]', 0o644],
  ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 0o644],
  ['read-only', '{}', 0o444],
])('[A8] a file that is %s is refused by its name, and left', async (_name, text, mode) => {
  const world = createWorld();
  const file = put(world, '.gemini/settings.json', '');
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  const before = tree(world.home);
  const { code, talk } = await world.sm('setup', 'gemini');
  expect(code).toBe(7);
  expect(talk).toContain(file);
  expect(tree(world.home)).toEqual(before);
});

test('[A7] a project’s files name the program alone, and agents that share a file share its block', async () => {
  const world = createWorld();
  const before = tree(world.home);
  await world.sm('setup', 'codex', '--scope', 'project');
  const shared = path.join(world.project, 'AGENTS.md');
  const block = fs.readFileSync(shared, 'utf8');
  expect(fs.readFileSync(path.join(world.project, '.codex/config.toml'), 'utf8')).toContain(
    'command = "sm"\nargs = ["mcp"]',
  );
  await world.sm('setup', 'opencode', '--scope', 'project');
  expect(fs.readFileSync(shared, 'utf8')).toBe(block);
  await world.sm('setup', 'codex', '--scope', 'project', '--remove');
  expect(fs.readFileSync(shared, 'utf8')).toBe(block);
  await world.sm('setup', 'opencode', '--scope', 'project', '--remove');
  expect(tree(world.home)).toEqual(before);
});

test('[A8] a file of our own goes altogether, and somebody else’s in its place is left and named', async () => {
  const world = createWorld();
  const place = path.join(world.home, '.config/opencode/plugins/stackmemory.js');
  await world.sm('setup', 'opencode', '--yes');
  fs.appendFileSync(place, '// and a word of mine\n');
  await world.sm('setup', 'opencode', '--remove', '--yes');
  expect(fs.existsSync(place)).toBe(false);
  put(world, '.config/opencode/plugins/stackmemory.js', 'export const Mine = async () => ({});\n');
  const before = tree(world.home);
  const refused = await world.sm('setup', 'opencode', '--yes');
  expect([refused.code, refused.talk]).toEqual([7, expect.stringContaining(place)]);
  expect(tree(world.home)).toEqual(before);
});

test('[A7] without a name it says what is installed, and --yes takes all of it', async () => {
  const world = createWorld();
  const none = await world.sm('setup');
  expect([none.code, none.talk]).toEqual([2, expect.stringContaining('None of the agents')]);
  put(world, 'bin/codex', '#!/bin/sh\n', 0o755);
  put(world, 'bin/gemini', '#!/bin/sh\n', 0o755);
  const asked = await world.sm('setup');
  expect([asked.code, asked.talk]).toEqual([2, expect.stringContaining('Found codex, gemini.')]);
  const { out } = await world.sm('setup', '--yes', '--json');
  expect(JSON.parse(out)).toMatchObject({ agents: ['codex', 'gemini'], dryRun: false });
  expect((await world.sm('setup', 'eliza')).code).toBe(2);
});
