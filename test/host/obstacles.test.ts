/** Places that are not as a brain needs them, met by the commands as they are built: said in words, with exit code 7. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newBrainDirectory } from '../support/host-brain.ts';
import { runSm, smProgram } from '../support/host-commands.ts';

interface Report {
  ok: boolean;
  findings: { check: string; status: string; message: string }[];
}

function newHome(): string {
  const home = path.dirname(newBrainDirectory());
  onTestFinished(async () => void (await runSm(home, ['host', 'stop', '--force'])));
  return home;
}

test.each([
  ['lock', ['brain', 'record', '--title', 'x']],
  ['start.lock', ['brain', 'record', '--title', 'x']],
  ['host.sock', ['brain', 'record', '--title', 'x']],
  ['host.json', ['brain', 'record', '--title', 'x']],
  ['host.json.new', ['brain', 'record', '--title', 'x']],
  ['lock', ['brain', 'list', '--no-host']],
  ['host.json', ['host', 'status']],
  ['host.log', ['host', 'logs']],
])('[L7] a directory in the place of brain/%s is named to %j', async (name, words) => {
  const home = newHome();
  const place = path.join(home, 'brain', name);
  fs.mkdirSync(path.join(place, 'precious'), { recursive: true });
  const { exitCode, stdout, stderr } = await runSm(home, words);
  expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: '' });
  expect(stderr).toContain(`${place} is in the way`);
  expect(stderr).not.toContain('bug');
  expect(fs.readdirSync(place)).toEqual(['precious']);
});

test('[L7] a link in the place of the data is named with the remedy, and the remedy helps', async () => {
  const home = newHome();
  const brain = path.join(home, 'brain');
  const elsewhere = path.join(home, 'elsewhere');
  expect((await runSm(home, ['brain', 'record', '--title', 'kept'])).exitCode).toBe(0);
  await runSm(home, ['host', 'stop']);
  fs.renameSync(path.join(brain, 'data'), elsewhere);
  fs.symlinkSync(elsewhere, path.join(brain, 'data'));
  for (const words of [['brain', 'list'], ['doctor']]) {
    const { exitCode, stdout, stderr } = await runSm(home, words);
    expect(exitCode).toBe(7);
    expect(stdout + stderr).toContain(`link or mount all of ${brain} instead`);
  }
  fs.rmSync(path.join(brain, 'data'));
  fs.renameSync(elsewhere, path.join(brain, 'data'));
  fs.renameSync(brain, elsewhere);
  fs.symlinkSync(elsewhere, brain);
  expect((await runSm(home, ['brain', 'list'])).stdout).toContain('kept');
});

test.skipIf(process.platform !== 'linux')('[W1] a home in which no directory can be made is refused at once', () => {
  const run = (home: string, ...words: string[]) => {
    const env = { ...process.env, STACKMEMORY_HOME: home };
    const options = { env, cwd: os.tmpdir(), input: '', encoding: 'utf8', timeout: 30_000 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [smProgram(), ...words], options);
    return { status, text: stdout + stderr };
  };
  const refused = { status: 7, text: expect.stringContaining('/proc/x cannot be made') as string };
  expect(run('/proc/x', 'brain', 'record', '--title', 'x')).toEqual(refused);
  expect(run('/proc/x', 'brain', 'list', '--no-host')).toEqual(refused);
  expect(run('/proc/x', 'doctor')).toEqual(refused);
  expect(run('/proc/x', 'login', 'a@b.c', '--url', 'http://127.0.0.1:9999')).toEqual(refused);
  // The launcher keeps its cache where a home is.
  expect(run('/proc', 'version')).toMatchObject({ status: 0 });
});

test('[X24] the checks of doctor have the names that are documented', async () => {
  const home = newHome();
  const checksOf = async (...words: string[]) => {
    const { stdout } = await runSm(home, ['doctor', '--json', ...words]);
    return (JSON.parse(stdout) as Report).findings.map(({ check }) => check);
  };
  expect((await checksOf()).slice(0, 2)).toEqual(['versions', 'directory']);
  await runSm(home, ['brain', 'record', '--title', 'x']);
  const onBox = (check: string) => !BOX_CHECKS.includes(check);
  expect((await checksOf('--rebuild')).filter(onBox)).toEqual([
    'versions',
    'directory',
    'disk',
    'owner',
    'durability',
    'rebuild',
    'log',
    'clock',
  ]);
  await runSm(home, ['host', 'stop']);
  fs.rmSync(path.join(home, 'brain', 'data', 'PG_VERSION'));
  expect((await checksOf()).filter(onBox)).toEqual(['versions', 'directory', 'disk', 'owner', 'contents']);
  const documented = fs.readFileSync(new URL('../../docs/CLI.md', import.meta.url), 'utf8');
  for (const check of [...(await checksOf()), 'index', 'structure', 'embeddings', ...BOX_CHECKS]) {
    expect(documented).toContain(`\`${check}\``);
  }
});

/** Of a machine that provisioning/ has set up. */
const BOX_CHECKS = ['box', 'units', 'session', 'brain', 'portal', 'firewall', 'server', 'tmux', 'tailnet'].concat([
  'open ports',
  'time',
  'token',
  'root disk',
]);
