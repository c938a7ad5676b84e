import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { missingForDisks, SmallDisk } from '../support/host-disk.ts';

const program = fileURLToPath(new URL('../../dist/sm.cjs', import.meta.url));
let home: string;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-launch-'));
});

afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

/** `sm --version`, which needs no brain: what is seen is the launcher alone. */
function runVersion(): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--version'], {
    env: { ...process.env, STACKMEMORY_HOME: home },
    encoding: 'utf8',
  });
  return { status, stdout: stdout.trim(), stderr };
}

function expectVersion(): void {
  expect(runVersion()).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string, stderr: '' });
}

function cacheFiles(): string[] {
  const directory = path.join(home, 'cache');
  return fs.existsSync(directory) ? fs.readdirSync(directory).map((name) => path.join(directory, name)) : [];
}

/** The one cache file, made by a first run. */
function makeCache(): string {
  expectVersion();
  const [file, ...others] = cacheFiles();
  expect(others).toEqual([]);
  if (file === undefined) throw new Error('no cache was made');
  return file;
}

test('[X27] the first command leaves its compiled form, readable by its user alone', () => {
  const file = makeCache();
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(fs.statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  const made = fs.statSync(file).mtimeMs;
  expectVersion();
  expect(fs.statSync(file).mtimeMs).toBe(made);
});

test.each([
  ['empty', () => Buffer.alloc(0)],
  ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ['full of zeros', (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ['changed in its middle', (bytes: Buffer) => Buffer.from(bytes).fill(0xff, bytes.length / 2, bytes.length / 2 + 64)],
  [
    'changed in one bit',
    (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte))),
  ],
])('[X27] a cache that is %s is not used, and made anew', (_how, damage) => {
  const file = makeCache();
  const sound = fs.readFileSync(file);
  fs.writeFileSync(file, damage(sound));
  expectVersion();
  expect(fs.readFileSync(file).length).toBeGreaterThan(sound.length / 2);
  expectVersion();
});

test('[X27] the cache of another build is removed', () => {
  const file = makeCache();
  const stale = path.join(path.dirname(file), 'command-0123456789abcdef-1.2.3-x64');
  fs.renameSync(file, stale);
  expectVersion();
  expect(cacheFiles()).toEqual([file]);
});

test('[X27] where no cache can be written, commands work all the same', () => {
  fs.writeFileSync(path.join(home, 'cache'), 'a file is in the way');
  expectVersion();
  expectVersion();
});

test('[X27] a command without a home makes none', () => {
  fs.rmSync(home, { recursive: true });
  expectVersion();
  expect(fs.existsSync(home)).toBe(false);
});

test.skipIf(process.platform !== 'linux')('[X1] bytes that are no UTF-8 are refused, as a shell gives them', () => {
  const script = 'exec "$0" "$1" brain record --json --title "$(printf "caf\\351")"';
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script, process.execPath, program], {
    env: { ...process.env, STACKMEMORY_HOME: path.join(home, 'none') },
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({
    error: 'bad_request',
    message: expect.stringContaining('not valid UTF-8') as string,
  });
  expect(fs.existsSync(path.join(home, 'none'))).toBe(false);
});

test.skipIf(missingForDisks() !== undefined)('[X27] on a full disk nothing is left of it', () => {
  const disk = new SmallDisk(1024 * 1024);
  onTestFinished(() => disk.remove());
  fs.rmSync(home, { recursive: true, force: true });
  home = path.join(disk.directory, 'home');
  fs.mkdirSync(home);
  disk.fill(64 * 1024);
  expectVersion();
  expect(cacheFiles()).toEqual([]);
});
