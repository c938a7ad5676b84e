/** The package as a user gets it: packed, installed into an empty prefix with an empty home, and used. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const INSTALL_TIMEOUT_MS = 240_000;
let scratch: string;
let tarball: string;

/** The machine's own settings of npm stay, so that its mirror is found. */
function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    cwd: scratch,
    env: { ...process.env, STACKMEMORY_HOME: path.join(scratch, 'brain'), ...env },
  });
  return { status, stdout, stderr };
}

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-package-'));
  const { stdout } = spawnSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch], {
    cwd: root,
    encoding: 'utf8',
  });
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  tarball = path.join(scratch, packed?.filename ?? '');
}, INSTALL_TIMEOUT_MS);

afterAll(() => {
  run(path.join(scratch, 'prefix/bin/sm'), ['host', 'stop']);
  fs.rmSync(scratch, { recursive: true, force: true });
});

test(
  '[B12] installed globally into an empty prefix it records, recalls and serves the portal',
  () => {
    const prefix = path.join(scratch, 'prefix');
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', prefix];
    const installed = run('npm', ['install', '--global', ...options, tarball]);
    expect(installed.status, installed.stderr).toBe(0);
    const home = path.join(scratch, 'home');
    fs.mkdirSync(home);
    const sm = (...args: string[]) =>
      run(path.join(prefix, 'bin/sm'), args, { HOME: home, STACKMEMORY_HOME: path.join(home, '.stackmemory') });
    const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    expect(sm('--version').stdout).toBe(`${version}\n`);
    expect(sm('brain', 'record', '--title', 'Packed', '--conclusion', 'It works', '--kind', 'note').status).toBe(0);
    expect(sm('brain', 'recall', 'packed').stdout).toContain('It works');
    expect(JSON.parse(sm('portal', 'status', '--json').stdout)).toEqual({ running: false });
    expect(sm('brain', 'context', '--budget', '200').stdout).toContain('Packed');
    const { stdout } = sm('upgrade', '--to', version, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ installed: version, before: version });
    for (const name of ['setup.sh', 'agent-session']) {
      const file = path.join(prefix, 'lib/node_modules/stackmemory/provisioning', name);
      expect(fs.statSync(file).mode & 0o111, name).toBe(0o111);
    }
    expect(sm('host', 'stop').status).toBe(0);
  },
  INSTALL_TIMEOUT_MS,
);

test(
  '[B12] it runs as a one-off, without being installed',
  () => {
    const { status, stdout, stderr } = run('npm', ['exec', '--yes', '--package', tarball, '--', 'sm', '--version']);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  },
  INSTALL_TIMEOUT_MS,
);
