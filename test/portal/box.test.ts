/** A portal as a box has it: with a tmux server that another service starts, under a service manager, and examined. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { type BoxRim, examineBox } from '../../portal/box.ts';
import type { PortalStatus } from '../../portal/portal.ts';
import { TmuxSource } from '../../portal/sources.ts';
import { waitUntil } from '../support/host-wait.ts';
import { scratchDirectory, SHELL } from '../support/portal.ts';

const SM = fileURLToPath(new URL('../../dist/sm.cjs', import.meta.url));

function sessionWorld() {
  const env = { ...(process.env as Record<string, string>), TMUX_TMPDIR: scratchDirectory() };
  const tmux = (...args: string[]) => promisify(execFile)('tmux', args, { env });
  onTestFinished(async () => void (await tmux('kill-server').catch(() => undefined)));
  return { env, tmux, agent: { command: SHELL, cwd: '/', env } };
}

test('[B7] a portal that joins waits for the server of another service, and makes its session there', async () => {
  const { agent, tmux } = sessionWorld();
  const source = new TmuxSource(agent, false);
  const ensured = source.ensure('second', 80, 24);
  await new Promise((resolve) => setTimeout(resolve, 600));
  await expect(tmux('list-sessions')).rejects.toThrow();
  await tmux('new-session', '-d', '-s', 'first', 'sleep 1000');
  await ensured;
  const { stdout } = await tmux('list-sessions', '-F', '#{session_name} #{pid}');
  const [first, second] = stdout.trim().split('\n');
  expect(first?.replace('first', 'second')).toBe(second);
});

test('[B7] where no server comes it says so, with the unit to start, and none has been started', async () => {
  const { agent, tmux } = sessionWorld();
  await expect(new TmuxSource(agent, false).ensure('claude', 80, 24)).rejects.toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('systemctl start stackmemory-session') as string,
  });
  await expect(tmux('list-sessions')).rejects.toThrow();
}, 30_000);

test('[B8] a service manager hears that the portal is ready, that it lives and that it ends; the agent hears nothing of it', async () => {
  const home = scratchDirectory();
  const heard = path.join(home, 'heard');
  const programs = path.join(home, 'bin');
  fs.mkdirSync(programs);
  fs.writeFileSync(path.join(programs, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${heard}\n`, { mode: 0o755 });
  const { env, tmux } = sessionWorld();
  const agent = ['--command', 'sh', '--', '-c', `env >${home}/agent-env; sleep 1000`];
  const portal = spawn(process.execPath, [SM, 'portal', 'start', '--port', '0', '--host', '127.0.0.1', ...agent], {
    env: {
      ...env,
      STACKMEMORY_HOME: path.join(home, 'sm'),
      PATH: `${programs}:${process.env['PATH']}`,
      NOTIFY_SOCKET: path.join(home, 'socket'),
      WATCHDOG_USEC: '300000',
    },
    stdio: 'ignore',
  });
  const said = () => (fs.existsSync(heard) ? fs.readFileSync(heard, 'utf8').trim().split('\n') : []);
  await waitUntil('the watchdog is fed', () => said().filter((line) => line === 'WATCHDOG=1').length >= 3);
  expect(said()[0]).toMatch(/^READY=1 STATUS=http:\/\/127\.0\.0\.1:\d+\/?, session claude$/);
  // Hung, it says nothing: systemd's time runs out.
  portal.kill('SIGSTOP');
  const before = said().length;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(said().length - before).toBeLessThanOrEqual(1);
  portal.kill('SIGCONT');
  portal.kill('SIGTERM');
  await once(portal, 'exit');
  expect(said().at(-1)).toBe('STOPPING=1');
  expect(fs.readFileSync(path.join(home, 'agent-env'), 'utf8')).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);
  await tmux('has-session', '-t', 'claude');
}, 30_000);

const UNIT = (name: string, state: string, enabled = 'enabled', restarts = 0) =>
  `Id=${name}.service\nActiveState=${state}\nSubState=x\nUnitFileState=${enabled}\nNRestarts=${restarts}\n`;

/** A box on which all is well, but for what a test changes. */
function soundBox(change: Partial<BoxRim> & { said?: Record<string, string | undefined> } = {}): BoxRim {
  const portalDirectory = scratchDirectory();
  fs.chmodSync(portalDirectory, 0o700);
  fs.writeFileSync(path.join(portalDirectory, 'token'), 'x', { mode: 0o600 });
  const units = ['session', 'brain', 'portal'].map((name) => UNIT(`stackmemory-${name}`, 'active')).join('\n');
  const said: Record<string, string | undefined> = {
    systemctl: units,
    tmux: '4711\n',
    ss: 'LISTEN 0 511 127.0.0.1:7799 0.0.0.0:*\nLISTEN 0 511 100.101.102.103:7799 0.0.0.0:*\nLISTEN 0 5 [::1]:53 [::]:*\n',
    timedatectl: 'yes\n',
    ...change.said,
  };
  return {
    settings: 'PORTAL_USER="agent"\nBOX_TAILSCALE="yes"\nBOX_FIREWALL="no"\n',
    portalDirectory,
    version: '1.2.3',
    userName: 'agent',
    ask: async (program) => said[program],
    readText: () => '0::/system.slice/stackmemory-session.service\n',
    tailnet: async () => ['100.101.102.103'],
    portal: async () =>
      ({
        version: '1.2.3',
        addresses: ['http://100.101.102.103:7799'],
        sessions: [],
        problems: [],
      }) as unknown as PortalStatus,
    ...change,
  };
}

/** Findings that are not fine, as `check: status`. */
async function bad(rim: BoxRim): Promise<string[]> {
  const findings = (await examineBox(rim)).filter(({ status }) => status !== 'ok');
  for (const finding of findings) expect(finding.remedy ?? finding.message, finding.check).not.toBe('');
  return findings.map(({ check, status }) => `${check}: ${status}`);
}

test('[B10] a sound box has nothing to say', async () => {
  expect(await bad(soundBox())).toEqual([]);
});

const STATUS = { version: '1.2.3', addresses: ['http://100.101.102.103:7799'], sessions: [], problems: [] };
const portalIs = (change: Partial<PortalStatus>) => async () => ({ ...STATUS, ...change }) as unknown as PortalStatus;
const unitsAre = (portal: string) =>
  ['session', 'brain'].map((name) => UNIT(`stackmemory-${name}`, 'active')).join('\n') + `\n${portal}`;

test.for<[string, Parameters<typeof soundBox>[0], string[]]>([
  ['another user', { userName: 'root' }, ['box: warning']],
  ['a unit that failed', { said: { systemctl: unitsAre(UNIT('stackmemory-portal', 'failed')) } }, ['portal: error']],
  [
    'a unit that is off',
    { said: { systemctl: unitsAre(UNIT('stackmemory-portal', 'active', 'disabled')) } },
    ['portal: warning'],
  ],
  [
    'a unit that dies again and again',
    { said: { systemctl: unitsAre(UNIT('stackmemory-portal', 'active', 'enabled', 99)) } },
    ['portal: warning'],
  ],
  ['no systemd', { said: { systemctl: undefined } }, ['units: warning']],
  ['no tmux server', { said: { tmux: undefined } }, ['tmux: warning']],
  [
    'a tmux server of the portal',
    { readText: () => '0::/system.slice/stackmemory-portal.service\n' },
    ['tmux: warning'],
  ],
  ['no tailnet', { tailnet: async () => [] }, ['tailnet: error']],
  [
    'a portal that is not on the tailnet',
    { portal: portalIs({ addresses: ['http://127.0.0.1:7799'] }) },
    ['tailnet: error'],
  ],
  ['no portal', { portal: async () => undefined }, ['portal: error']],
  ['a portal of another version', { portal: portalIs({ version: '1.0.0' }) }, ['portal: warning']],
  ['a portal with a problem', { portal: portalIs({ problems: ['x'] }) }, ['portal: warning']],
  [
    'an open port',
    { said: { ss: 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 128 [::]:80 [::]:*\n' } },
    ['open ports: warning'],
  ],
  ['a clock that nobody keeps', { said: { timedatectl: 'no\n' } }, ['time: warning']],
])('[B10] %s is found', async ([, change, expected]) => {
  expect(await bad(soundBox(change))).toEqual(expected);
});

test('[B10] a token that others can read is found', async () => {
  const rim = soundBox();
  fs.chmodSync(path.join(rim.portalDirectory, 'token'), 0o644);
  expect(await bad(rim)).toEqual(['token: error']);
});
