/** What provisioning/ holds is sound as far as tools can tell without a machine to set up; test/box has the rest. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { cloudInit } from '../../.scripts/cloud-init.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const provisioning = path.join(root, 'provisioning');
const textOf = (name: string) => fs.readFileSync(path.join(provisioning, name), 'utf8');
const has = (tool: string) => spawnSync(tool, ['--version']).error === undefined;

/** The packed script of a user-data. */
function scriptIn(userData: string): string {
  const packed = /^ +content: (H4s\S+)$/m.exec(userData)?.[1] ?? '';
  return gunzipSync(Buffer.from(packed, 'base64')).toString('utf8');
}

test('[B5] the user-data is made from the set-up script as it is now', () => {
  const present = textOf('cloud-init.yaml');
  expect(scriptIn(present)).toBe(textOf('setup.sh'));
  // Packing differs from one zlib to another; everything else is the same.
  const withoutPacked = (text: string) => text.replace(/H4s\S+/, '');
  expect(withoutPacked(present)).toBe(withoutPacked(cloudInit(textOf('setup.sh'))));
});

test('[B5] the user-data fits into 16 KiB, the least that a provider takes', () => {
  expect(fs.statSync(path.join(provisioning, 'cloud-init.yaml')).size).toBeLessThan(16 * 1024);
  expect(gzipSync(textOf('setup.sh')).length).toBeLessThan(16 * 1024);
});

test('[B5] the set-up script installs the version that it came with', () => {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
  expect(/^readonly VERSION=(.*)$/m.exec(textOf('setup.sh'))?.[1]).toBe(version);
});

test.skipIf(!has('shellcheck'))('[B1] shellcheck has nothing to say', () => {
  const scripts = ['setup.sh', 'prepare.sh', 'agent-session'].map((name) => path.join(provisioning, name));
  const tests = fs.readdirSync(path.join(root, 'test/box')).filter((name) => name.endsWith('.sh'));
  const all = [...scripts, ...tests.map((name) => path.join(root, 'test/box', name))];
  const { stdout, status } = spawnSync('shellcheck', ['-x', ...all], { cwd: root, encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('[B1] wrong flags and values are refused with exit code 2 and the flag that is meant', () => {
  for (const flags of [
    ['--nonsense'],
    ['--port', '80'],
    ['--port', '99999'],
    ['--port'],
    ['--user', 'root'],
    ['--user', 'a b'],
    ['--agent', 'eliza'],
    ['--cwd', 'relative'],
    ['--cwd', '/a b'],
    ['--command', 'x; reboot'],
    ['--command', '$(reboot)'],
    ['--portal-args', '"'],
    ['--session', '-x'],
    ['--node', '18'],
  ]) {
    const { status, stderr } = spawnSync(path.join(provisioning, 'setup.sh'), flags, { encoding: 'utf8' });
    expect(status, flags.join(' ')).toBe(2);
    expect(stderr).toContain(flags[0]);
  }
});

const UNITS = fs.readdirSync(path.join(provisioning, 'units'));
/** The session is the agent's, which may do what its user may; the firewall needs the network's own rights. */
const SERVING = ['stackmemory-portal.service', 'stackmemory-brain.service', 'stackmemory-server.service'];
const EXPOSURE_MAX = 2.5;

/** The units as the set-up installs them, with programs that are there. */
function installedUnits(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-units-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  for (const name of UNITS) {
    const text = textOf(`units/${name}`)
      .replaceAll('@USER@', 'daemon')
      .replaceAll('@HOME@', '/home/agent')
      .replaceAll('@CWD@', '/home/agent/work')
      .replaceAll(/^(Exec\w+=)\/(?:usr\/local\/bin\/sm|usr\/sbin\/nft|usr\/bin\/tmux)/gm, '$1/bin/true')
      .replaceAll(/^Documentation=.*$/gm, '');
    fs.writeFileSync(path.join(directory, name), text);
  }
  return directory;
}

test.skipIf(!has('systemd-analyze'))('[B6] systemd finds nothing wrong with the units', () => {
  const directory = installedUnits();
  const files = UNITS.map((name) => path.join(directory, name));
  const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' });
  expect(stderr.split('\n').filter((line) => line.includes('stackmemory'))).toEqual([]);
});

test.skipIf(!has('systemd-analyze'))('[B6] the units that serve are exposed to 2.5 or less', () => {
  const directory = installedUnits();
  for (const name of SERVING) {
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', path.join(directory, name)], {
      encoding: 'utf8',
    });
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    expect(exposure, name).toBeLessThanOrEqual(EXPOSURE_MAX);
  }
});

test('[B6] what binds the portal does not bind the session, which is a unit of its own', () => {
  const session = textOf('units/stackmemory-session.service');
  expect(session).not.toMatch(/^(?:NoNewPrivileges|Protect\w+|Private\w+|SystemCallFilter|IPAddressDeny)=/m);
  expect(textOf('units/stackmemory-portal.service')).toMatch(/^ExecStart=.* --existing-server /m);
  expect(textOf('units/stackmemory-portal.service')).not.toMatch(/^(?:Requires|BindsTo|PartOf)=/m);
});
