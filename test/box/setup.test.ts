/**
 * The set-up script for real, in a Debian root as a fresh machine has it, with packages from Debian and from a signed
 * repository that stands in for NodeSource's and Tailscale's. No systemd runs there: vm.sh has that. Debian 12, or what
 * SM_BOX_SUITE says (trixie).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = path.join(here, '../..');
const work = process.env['SM_BOX_DIRECTORY'] ?? '/var/tmp/stackmemory-box';
const shared = path.join(work, 'shared');
const suite = process.env['SM_BOX_SUITE'] ?? 'bookworm';
const base = path.join(work, `base-${suite}`);
const box = path.join(work, `box-${process.pid}`);
const SCRIPT = '/srv/package/provisioning/setup.sh';
let mirrors: Record<string, string>;

/** In the box, without a terminal. */
function inBox(...command: string[]) {
  const { status, stdout, stderr } = spawnSync(path.join(here, 'enter.sh'), [base, box, shared, ...command], {
    encoding: 'utf8',
    env: { ...process.env, ...mirrors },
  });
  return { status, out: stdout, complaint: stderr };
}

const setup = (...flags: string[]) =>
  inBox(SCRIPT, '--from', '/srv/stackmemory.tgz', '--agent', 'none', '--upgrades', '--server', ...flags);

function run(program: string, args: string[], cwd = root): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

/** Everything there is, by name and mode, but for what every installation of a package leaves behind. */
function inventory(): string[] {
  const places = ['/etc', '/opt', '/usr/local', '/home', '/root', '/var/lib', '/var/log', '/usr/bin'];
  const { out } = inBox('find', ...places, '-xdev', '-printf', '%p %M %u\n');
  const noise =
    /^\/var\/(?:lib\/(?:apt|dpkg|systemd|ucf)|log\/(?:apt|dpkg|alternatives|unattended))|\/etc\/(?:ld\.so\.cache|resolv\.conf|ssl|passwd-|group-|g?shadow-|subuid|subgid|hosts )|\/etc\/\.pwd\.lock|\.cache|\/root\/\.gnupg/;
  return out
    .split('\n')
    .filter((line) => line !== '' && !noise.test(line))
    .toSorted();
}

beforeAll(() => {
  if (!fs.existsSync(path.join(base, 'etc'))) {
    fs.mkdirSync(work, { recursive: true });
    const archive = path.join(work, `base-${suite}.tar`);
    run('mmdebstrap', ['--variant=minbase', '--include=systemd-sysv,ca-certificates,curl', suite, archive]);
    fs.mkdirSync(base);
    run('tar', ['xf', archive, '-C', base]);
    fs.rmSync(archive);
  }
  fs.rmSync(shared, { recursive: true, force: true });
  fs.mkdirSync(path.join(shared, 'tailscale'), { recursive: true });
  const fingerprint = run(path.join(here, 'repository.sh'), [path.join(shared, 'repository')]).trim();
  fs.symlinkSync('../repository', path.join(shared, 'tailscale/debian'));
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', shared]);
  const [packed = ''] = fs.readdirSync(shared).filter((name) => name.endsWith('.tgz'));
  fs.renameSync(path.join(shared, packed), path.join(shared, 'stackmemory.tgz'));
  run('tar', ['xzf', 'stackmemory.tgz', 'package/provisioning'], shared);
  mirrors = {
    PORTAL_NODE_REPOSITORY: 'file:/srv/repository',
    PORTAL_NODE_KEY: 'file:///srv/repository/key.asc',
    PORTAL_NODE_FINGERPRINT: fingerprint,
    PORTAL_TAILSCALE_REPOSITORY: 'file:/srv/tailscale',
    PORTAL_TAILSCALE_KEY: 'file:///srv/repository/key.asc',
    PORTAL_TAILSCALE_FINGERPRINT: fingerprint,
  };
});

afterAll(() => fs.rmSync(box, { recursive: true, force: true }));

test('[B1] [B2] killed at every step and run again it gets to its end, and the next run changes nothing', async () => {
  const before = inventory();
  const killed: string[] = [];
  for (;;) {
    const step = await killAtNextStep(killed);
    if (step === undefined) break;
    killed.push(step);
  }
  // The quick ones may be over before the blow falls.
  expect(killed).toEqual(expect.arrayContaining(['packages', 'node', 'tailscale', 'program']));
  const last = setup();
  expect(last.status, last.complaint).toBe(0);
  const after = inventory();
  const again = setup();
  expect(again.status, again.complaint).toBe(0);
  expect(again.out.split('\n').filter((line) => line.startsWith('..'))).toEqual(['.. tailnet']);
  expect(inventory()).toEqual(after);
  expect(inBox(SCRIPT, '--uninstall', '--purge').status).toBe(0);
  expect(inventory()).toEqual(before);
});

/** Runs the script, and kills it while it does its first step that was not interrupted before. */
async function killAtNextStep(done: readonly string[]): Promise<string | undefined> {
  const flags = [SCRIPT, '--from', '/srv/stackmemory.tgz', '--agent', 'none', '--upgrades', '--server'];
  const child = spawn(path.join(here, 'enter.sh'), [base, box, shared, ...flags], {
    env: { ...process.env, ...mirrors },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let killed: string | undefined;
  for await (const line of createInterface(child.stdout)) {
    const step = /^\.\. (\w+)/.exec(line)?.[1];
    if (step === undefined || done.includes(step) || killed !== undefined) continue;
    killed = step;
    setTimeout(() => child.kill('SIGKILL'), [0, 150, 600][done.length % 3]);
  }
  await exited;
  return killed;
}

test('[B3] a second user reads neither settings with secrets nor brain, and nothing is world-writable', () => {
  expect(setup().status).toBe(0);
  const owner = (...words: string[]) => inBox('runuser', '-u', 'agent', '--', ...words);
  expect(
    owner('sm', 'brain', 'record', '--title', 'a secret plan', '--conclusion', 'it worked', '--kind', 'note').status,
  ).toBe(0);
  expect(owner('sm', 'portal', 'token').out).toMatch(/^[\w-]{48}$/m);
  inBox('useradd', '--create-home', 'other');
  const stranger = (...words: string[]) => inBox('runuser', '-u', 'other', '--', ...words).status;
  for (const file of ['.stackmemory/portal/token', '.stackmemory/brain/host.json', '.stackmemory/brain/lock']) {
    expect(stranger('cat', `/home/agent/${file}`), file).not.toBe(0);
  }
  expect(stranger('cat', '/etc/stackmemory/server.env')).not.toBe(0);
  expect(stranger('cat', '/var/log/stackmemory-setup.log')).not.toBe(0);
  expect(stranger('cat', '/etc/stackmemory/box.env')).toBe(0);
  const open = inBox('find', '/etc/stackmemory', '/opt/stackmemory', '/home/agent', '-perm', '/o+w', '!', '-type', 'l');
  expect(open.out).toBe('');
});

test('[B1] a choice can be taken back, and is kept otherwise', () => {
  const [server, upgrades] = ['/etc/systemd/system/stackmemory-server.service', '/etc/apt/apt.conf.d/52stackmemory'];
  const isThere = (file: string) => inBox('test', '-e', file).status === 0;
  expect(inBox(SCRIPT).status).toBe(0);
  expect([isThere(server), isThere(upgrades)]).toEqual([true, true]);
  expect(inBox(SCRIPT, '--no-server', '--no-upgrades').status).toBe(0);
  expect([isThere(server), isThere(upgrades)]).toEqual([false, false]);
  expect(inBox(SCRIPT).out).not.toMatch(/^\.\. (?:server|upgrades)/m);
  expect([isThere(server), isThere(upgrades)]).toEqual([false, false]);
});

/** The same package under another number. */
function packedAs(version: string): string {
  const directory = path.join(shared, version);
  fs.mkdirSync(directory);
  run('tar', ['xzf', path.join(shared, 'stackmemory.tgz')], directory);
  const manifest = path.join(directory, 'package/package.json');
  const content = JSON.parse(fs.readFileSync(manifest, 'utf8')) as Record<string, unknown>;
  fs.writeFileSync(manifest, JSON.stringify({ ...content, version }, undefined, 2));
  run('tar', ['czf', path.join(shared, `${version}.tgz`), 'package'], directory);
  return `/srv/${version}.tgz`;
}

test('[B14] an upgrade is not held back by what the box was made from, and only a word of this run brings an older version', () => {
  const stepOf = ({ out }: { out: string }) => /^(?:ok|\.\.) program.*$/m.exec(out)?.[0];
  expect(setup('--no-server').status).toBe(0);
  const newest = inBox('env', 'npm_config_offline=true', 'stackmemory-setup', '--upgrade');
  expect(newest.status).toBe(1);
  expect(newest.complaint).toContain('could not install stackmemory@latest');
  const first = stepOf(inBox(SCRIPT));
  expect(first, 'what failed has changed nothing').toMatch(/^ok program/);
  const newer = packedAs('99.0.0');
  expect(inBox('npm', 'install', '--global', '--prefix', '/opt/stackmemory', '--ignore-scripts', newer).status).toBe(0);
  expect(stepOf(inBox(SCRIPT)), 'sm upgrade has been here').toBe('ok program: 99.0.0');
  expect(setup().out).toContain('.. program');
  expect(stepOf(inBox(SCRIPT))).toBe(first);
  expect(inBox('stackmemory-setup', '--upgrade', '--from', newer).out).toContain('ok program: 99.0.0');
  expect(inBox('grep', 'PORTAL_FROM', '/etc/stackmemory/box.env').out).toBe(`PORTAL_FROM="${newer}"\n`);
});

test('[B4] a key with another fingerprint is refused, and nothing is installed with it', () => {
  expect(inBox(SCRIPT, '--uninstall', '--purge').status).toBe(0);
  const right = mirrors;
  mirrors = { ...right, PORTAL_NODE_FINGERPRINT: '6F71F525282841EEDAF851B42F59B5F99B1BE0B4' };
  const { status, complaint } = setup();
  mirrors = right;
  expect(status).toBe(1);
  expect(complaint).toContain('is not the one with the fingerprint 6F71F525');
  expect(inBox('sh', '-c', 'command -v node').status).not.toBe(0);
});

test('[B1] a user and packages that were half made when the power went are completed', () => {
  const manifest = '/var/lib/stackmemory-box/manifest';
  inBox('sh', '-c', `useradd --no-create-home agent && echo 'user agent' >>${manifest}`);
  inBox('sh', '-c', 'dpkg-query --status bash >/var/lib/dpkg/updates/0001');
  expect(inBox('apt-get', 'install', '-y', 'tmux').complaint).toContain('dpkg was interrupted');
  expect(setup('--no-server').status).toBe(0);
  expect(inBox('stat', '-c', '%U %a', '/home/agent').out).toBe('agent 700\n');
  expect(inBox('stat', '-c', '%U', '/home/agent/.profile').out).toBe('agent\n');
});

test('[B2] packages that others have come to need stay', () => {
  const isThere = (name: string) => inBox('dpkg-query', '-W', '-f=${db:Status-Status}', name).out === 'installed';
  expect(setup('--no-server').status).toBe(0);
  expect(inBox('apt-get', 'install', '-y', '--no-install-recommends', 'git-lfs').status).toBe(0);
  expect(inBox(SCRIPT, '--uninstall', '--purge').status).toBe(0);
  expect(['git-lfs', 'git', 'tmux', 'nodejs'].map(isThere)).toEqual([true, true, false, false]);
});

test('[B15] what is in the way is named, and the next run goes on with what was chosen', () => {
  const old = '/usr/local/bin/node';
  inBox('sh', '-c', `printf '#!/bin/sh\\necho v18.1.0\\n' >${old} && chmod +x ${old}`);
  const first = setup('--session', 'other');
  expect([first.status, first.complaint]).toEqual([1, expect.stringContaining(`${old} is 18.1.0`)]);
  inBox('rm', old);
  const right = mirrors;
  mirrors = { ...right, PORTAL_NODE_KEY: 'file:///srv/nowhere' };
  const second = inBox(SCRIPT);
  mirrors = right;
  expect([second.status, second.complaint]).toEqual([1, expect.stringContaining('/srv/nowhere cannot be fetched')]);
  expect(inBox('dpkg', '--install', '/srv/repository/without-npm.deb').status).toBe(0);
  const third = inBox(SCRIPT);
  expect(third.status, third.complaint).toBe(0);
  expect(third.out).toContain('.. node');
  expect(inBox('grep', 'SESSION', '/etc/stackmemory/box.env').out).toBe('PORTAL_SESSION="other"\n');
});
