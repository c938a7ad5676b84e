/** Writing config.json (lib/scope/config-file.ts), on real files. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { loadConfig } from '../../lib/scope/config.ts';
import { checkWritable, writeAuth } from '../../lib/scope/config-file.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'stackmemory-config-file-'));
const program = join(root, 'child.mjs');
const { fsyncSync } = fs;
let home: string;
let file: string;
let homes = 0;

beforeAll(async () => {
  const entry = fileURLToPath(new URL('../support/config-child.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});
beforeEach(() => {
  home = join(root, String((homes += 1)));
  file = join(home, 'config.json');
  fs.mkdirSync(home);
});
afterEach(() => {
  patchSync(fsyncSync);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const LOGIN = {
  apiKey: 'sm_c0ffee',
  apiUrl: 'https://sync.example.org',
  projectId: 'p',
  workspaceId: 'w',
  email: 'ada@example.org',
};

const read = () => fs.readFileSync(file, 'utf8');
const modeOf = (path: string) => (fs.statSync(path).mode & 0o777).toString(8);
const names = () => fs.readdirSync(home);

function failureOf(run: () => void): SmError {
  try {
    run();
  } catch (error) {
    if (error instanceof SmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Puts `replacement` in the place of fsync, until the end of the test. */
function patchSync(replacement: typeof fs.fsyncSync): void {
  fs.fsyncSync = replacement;
  syncBuiltinESMExports();
}

describe('what is written', () => {
  it('[S18] makes the file, readable by the user alone, and the directory with it', () => {
    file = join(home, 'deep', 'er', 'config.json');
    writeAuth(file, LOGIN);
    expect(JSON.parse(read())).toEqual({ auth: LOGIN });
    expect(modeOf(file)).toBe('600');
    expect(modeOf(join(home, 'deep'))).toBe('700');
    expect(fs.readdirSync(join(home, 'deep', 'er'))).toEqual(['config.json']);
  });

  it('[S18] keeps all other keys and their order', () => {
    fs.writeFileSync(
      file,
      '{\r\n\t"later": {"z": 1, "a": [null]},\r\n\t"auth": {"email": "old@example.org", "later": [1], "apiKey": "old"},\r\n\t"agent": "claude"\r\n}',
    );
    writeAuth(file, LOGIN);
    const config = loadConfig(file);
    expect(Object.keys(config)).toEqual(['later', 'auth', 'agent']);
    expect(Object.keys(config.auth ?? {})).toEqual(['email', 'later', 'apiKey', 'apiUrl', 'projectId', 'workspaceId']);
    expect(config).toEqual({ later: { z: 1, a: [null] }, auth: { ...LOGIN, later: [1] }, agent: 'claude' });
    writeAuth(file, { apiKey: null, apiUrl: null, email: null });
    expect(loadConfig(file).auth).toEqual({ later: [1], projectId: 'p', workspaceId: 'w' });
  });

  it('[S18] whatever else the file holds, it holds it afterwards', () => {
    const key = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', ''), fc.string({ unit: 'grapheme' }));
    const others = fc.dictionary(
      key.filter((name) => !['auth', 'host', 'sync', 'agent'].includes(name)),
      fc.jsonValue(),
      { maxKeys: 5 },
    );
    fc.assert(
      fc.property(others, fc.boolean(), (unknown, hasAuth) => {
        const before = JSON.stringify(hasAuth ? { ...unknown, auth: { email: 'x' } } : unknown);
        fs.writeFileSync(file, before);
        writeAuth(file, LOGIN);
        const { auth, ...rest } = JSON.parse(read()) as Record<string, unknown>;
        expect(auth).toEqual(LOGIN);
        expect(JSON.stringify(rest)).toBe(JSON.stringify(JSON.parse(JSON.stringify(unknown))));
      }),
    );
  });

  it('[S18] tightens a mode that is too wide, even where nothing else changes', () => {
    for (const text of ['{}', `${JSON.stringify({ auth: LOGIN }, null, 2)}\n`]) {
      fs.writeFileSync(file, text);
      fs.chmodSync(file, 0o644);
      writeAuth(file, LOGIN);
      expect(modeOf(file)).toBe('600');
    }
  });

  it('[S18] the file stays that of its owner, where root writes it for somebody', () => {
    fs.writeFileSync(file, '{}');
    if (process.getuid?.() === 0) fs.chownSync(file, 12_345, 12_346);
    const { uid, gid } = fs.statSync(file);
    writeAuth(file, LOGIN);
    expect(fs.statSync(file)).toMatchObject({ uid, gid });
    expect(modeOf(file)).toBe('600');
  });

  it('[S18] writing the same again leaves the file alone, and forgetting what is not there makes none', () => {
    writeAuth(file, LOGIN);
    const { ino, mtimeMs } = fs.statSync(file);
    writeAuth(file, LOGIN);
    expect(fs.statSync(file)).toMatchObject({ ino, mtimeMs });
    fs.rmSync(file);
    writeAuth(file, { apiKey: null });
    expect(names()).toEqual([]);
  });

  it('[S18] follows a symbolic link to the file it names, be it yet to be made', () => {
    const kept = join(home, 'dotfiles');
    fs.mkdirSync(kept);
    fs.symlinkSync('dotfiles/first', file);
    fs.symlinkSync('../dotfiles/real.json', join(kept, 'first'));
    for (const key of ['one', 'two']) {
      writeAuth(file, { ...LOGIN, apiKey: key });
      expect(fs.lstatSync(file).isSymbolicLink()).toBe(true);
      expect(JSON.parse(fs.readFileSync(join(kept, 'real.json'), 'utf8'))).toMatchObject({ auth: { apiKey: key } });
      expect(fs.readdirSync(kept)).toEqual(['first', 'real.json']);
    }
    fs.rmSync(file);
    fs.symlinkSync(file, file);
    expect(failureOf(() => writeAuth(file, LOGIN)).code).toBe('config_invalid');
  });
});

describe('what is refused', () => {
  it.each([
    ['half of a file', '{"auth":{"apiKey":"sm_c0ffee'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a value of a wrong type', '{"agent":1}'],
    ['Latin-1', Buffer.from('{"agent":"J\xfcrgen"}', 'latin1')],
  ])('[S18] a file that holds %s stays as it is, to the byte', (_what, content) => {
    fs.writeFileSync(file, content, { mode: 0o640 });
    const before = fs.statSync(file);
    for (const run of [() => writeAuth(file, LOGIN), () => checkWritable(file)]) {
      const error = failureOf(run);
      expect(error.code).toBe('config_invalid');
      expect(JSON.stringify(error)).not.toContain('c0ffee');
    }
    expect(fs.readFileSync(file)).toEqual(Buffer.from(content));
    expect(fs.statSync(file)).toMatchObject({ ino: before.ino, mode: before.mode });
    expect(names()).toEqual(['config.json']);
  });

  it('[S18] a value that later commands would refuse is not written', () => {
    writeAuth(file, LOGIN);
    const before = read();
    expect(failureOf(() => writeAuth(file, { workspaceId: 'a\u0000b' })).code).toBe('config_invalid');
    expect(failureOf(() => writeAuth(file, { apiUrl: 'sync' })).code).toBe('config_invalid');
    expect(read()).toBe(before);
  });

  it.each([
    ['ENOSPC', 'disk_full'],
    ['EROFS', 'no_permission'],
    ['EIO', 'config_invalid'],
  ])('[S18] where the disk says %s the old file stays, and nothing beside it', (errno, code) => {
    writeAuth(file, LOGIN);
    const before = read();
    patchSync(() => {
      throw Object.assign(new Error(errno), { code: errno });
    });
    const error = failureOf(() => writeAuth(file, { apiKey: 'sm_new' }));
    expect(error).toMatchObject({ code, details: { file } });
    expect(error.hint).toBeDefined();
    expect(failureOf(() => checkWritable(file)).code).toBe(code);
    expect(read()).toBe(before);
    expect(names()).toEqual(['config.json']);
  });

  it('[S18] a probe changes nothing and leaves nothing', () => {
    checkWritable(file);
    expect(names()).toEqual([]);
    fs.writeFileSync(file, '{ "agent": "x" }');
    checkWritable(file);
    expect(read()).toBe('{ "agent": "x" }');
    expect(names()).toEqual(['config.json']);
  });
});

describe('others who write at the same time', () => {
  it('[S18] a change that another program makes meanwhile is kept', () => {
    fs.writeFileSync(file, '{"agent":"before"}');
    let hasWritten = false;
    patchSync((descriptor) => {
      fsyncSync(descriptor);
      if (hasWritten) return;
      hasWritten = true;
      fs.writeFileSync(file, '{"agent":"after"}');
    });
    writeAuth(file, LOGIN);
    expect(loadConfig(file)).toEqual({ agent: 'after', auth: LOGIN });
    expect(names()).toEqual(['config.json']);
  });

  it('[S18] one that never stops writing is told of', () => {
    fs.writeFileSync(file, '{}');
    let count = 0;
    patchSync((descriptor) => {
      fsyncSync(descriptor);
      fs.writeFileSync(file, `{"agent":"${(count += 1)}"}`);
    });
    expect(failureOf(() => writeAuth(file, LOGIN)).code).toBe('conflict');
    expect(names()).toEqual(['config.json']);
  });

  it('[S18] several logins at once never leave a torn file, nor a mixture', async () => {
    fs.writeFileSync(file, '{"agent":"claude"}');
    const logins = ['a', 'b', 'c', 'd'].map((name) =>
      Array.from({ length: 25 }, (_, index) => ({
        ...LOGIN,
        apiKey: `${name}${index}-${'k'.repeat(index * 40)}`,
        workspaceId: `${name}${index}`,
      })),
    );
    const ends = logins.map((changes) => {
      const env = { ...process.env, CHILD_FILE: file, CHILD_CHANGES: JSON.stringify(changes) };
      const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'inherit'] });
      return new Promise<number | null>((resolve) => child.on('exit', resolve));
    });
    const state = { isOver: false };
    const all = Promise.all(ends).finally(() => (state.isOver = true));
    let reads = 0;
    while (!state.isOver) {
      const { agent, auth } = loadConfig(file);
      expect(agent).toBe('claude');
      if (auth !== undefined) expect(auth.apiKey?.split('-')[0]).toBe(auth.workspaceId);
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reads).toBeGreaterThan(1);
    expect((await all).every((code) => code === 0)).toBe(true);
    expect(names()).toEqual(['config.json']);
  });
});

describe('a kill at any moment', () => {
  it('[S18] leaves all of the old file or all of the new, and nothing that others can read', () => {
    const old = `${JSON.stringify({ agent: 'claude', auth: { apiKey: 'old' } }, null, 2)}\n`;
    const next = `${JSON.stringify({ agent: 'claude', auth: { ...LOGIN } }, null, 2)}\n`;
    const run = (killAt?: number) => {
      fs.rmSync(home, { recursive: true });
      fs.mkdirSync(home);
      fs.writeFileSync(file, old, { mode: 0o644 });
      const env = { ...process.env, CHILD_FILE: file, CHILD_CHANGES: JSON.stringify([LOGIN]) };
      const killed = killAt === undefined ? {} : { CHILD_KILL_AT: String(killAt) };
      return spawnSync(process.execPath, [program], { encoding: 'utf8', env: { ...env, ...killed } });
    };
    const steps = Number(run().stdout);
    expect(steps).toBeGreaterThanOrEqual(9);
    expect(read()).toBe(next);
    const seen = new Set<string>();
    for (let killAt = 1; killAt <= steps; killAt += 1) {
      const { signal, pid } = run(killAt);
      expect({ killAt, signal }).toEqual({ killAt, signal: 'SIGKILL' });
      const text = read();
      expect([old, next]).toContain(text);
      seen.add(text);
      for (const name of names().filter((each) => each !== 'config.json')) {
        expect(name).toMatch(new RegExp(`^\\.config\\.json\\.${pid}-[0-9a-f]{12}\\.tmp$`));
        expect(modeOf(join(home, name))).toBe('600');
      }
      // The next login tidies up.
      writeAuth(file, { ...LOGIN, apiKey: 'again' });
      expect(names()).toEqual(['config.json']);
      expect(loadConfig(file)).toEqual({ agent: 'claude', auth: { ...LOGIN, apiKey: 'again' } });
    }
    expect(seen.size).toBe(2);
  });
});
