/**
 * Examines the box that provisioning/setup.sh made: what must hold for an agent to be there day and night and for nobody
 * else to come in. Asks as the box's user, without rights, and goes on after a bad finding.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Finding } from '../lib/host/doctor.ts';
import { tailnetAddresses } from './addresses.ts';
import { isLoopback, isTailnet, plainAddress } from './names.ts';
import type { PortalStatus } from './portal.ts';
import { portalStatus } from './serving.ts';
import { Tailscale } from './tailscale.ts';

const SESSION_UNIT = 'stackmemory-session.service';
const PORTAL_UNIT = 'stackmemory-portal.service';
const CALL_TIMEOUT_MS = 5_000;
const MEBIBYTE = 1024 * 1024;
const DISK_COMFORT_BYTES = 1024 * MEBIBYTE;
const PRIVATE = 0o077;
/** Restarts since the boot that are no longer chance. */
const RESTARTS_MAX = 10;

/** What the examination asks of the machine. */
export interface BoxRim {
  /** The text of setup.sh's settings. */
  settings: string;
  /** Of the portal of this user, which may not run. */
  portalDirectory: string;
  version: string;
  userName: string;
  /** What a program prints; undefined where it is missing or fails. */
  ask(program: string, args: readonly string[]): Promise<string | undefined>;
  readText(file: string): string | undefined;
  tailnet(): Promise<string[]>;
  portal(): Promise<PortalStatus | undefined>;
}

export async function inspectBox(options: {
  settingsFile: string;
  portalDirectory: string;
  version: string;
  userName: string;
}): Promise<Finding[]> {
  return examineBox({
    ...options,
    settings: fs.readFileSync(options.settingsFile, 'utf8'),
    ask: askProgram,
    readText: readIfThere,
    tailnet: () => tailnetAddresses(new Tailscale()),
    portal: () => portalStatus(options.portalDirectory).catch(() => undefined),
  });
}

export async function examineBox(rim: BoxRim): Promise<Finding[]> {
  const settings = settingsOf(rim.settings);
  const findings = [inspectUser(rim, settings)];
  findings.push(...(await inspectUnits(rim, settings)));
  const status = await rim.portal();
  findings.push(await inspectSession(rim), await inspectTailnet(rim, settings, status), inspectPortal(rim, status));
  findings.push(await inspectFirewall(rim, settings), await inspectClock(rim), inspectToken(rim), inspectRoot());
  return findings;
}

type Settings = Readonly<Record<string, string>>;

/** Lines of `NAME="value"`. */
function settingsOf(text: string): Settings {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)="([^"\n]*)"$/gm)].map(([, name, value]) => [name, value]));
}

function inspectUser({ userName }: BoxRim, settings: Settings): Finding {
  const owner = settings['PORTAL_USER'] ?? '';
  if (userName === owner) return { check: 'box', status: 'ok', message: `set up for ${owner}, which this is` };
  return {
    check: 'box',
    status: 'warning',
    message: `The box is set up for ${owner}, and this is ${userName}: brain and portal are others.`,
    remedy: `su - ${owner} -c 'sm doctor'`,
  };
}

async function inspectUnits(rim: BoxRim, settings: Settings): Promise<Finding[]> {
  const units = [SESSION_UNIT, 'stackmemory-brain.service', PORTAL_UNIT];
  if (settings['BOX_FIREWALL'] === 'yes') units.push('stackmemory-firewall.service');
  if (settings['BOX_SERVER'] === 'yes') units.push('stackmemory-server.service');
  const properties = 'Id,ActiveState,SubState,UnitFileState,NRestarts';
  const said = await rim.ask('systemctl', ['show', `--property=${properties}`, ...units]);
  if (said === undefined) {
    return [{ check: 'units', status: 'warning', message: 'systemd does not answer, so the units are not known.' }];
  }
  return said
    .trim()
    .split('\n\n')
    .map((block) => judgeUnit(Object.fromEntries(block.split('\n').map((line) => splitAt(line, '=')))));
}

function judgeUnit(unit: Settings): Finding {
  const name = unit['Id'] ?? '';
  const check = name.replace(/^stackmemory-|\.service$/g, '');
  const restarts = Number(unit['NRestarts'] ?? 0);
  if (unit['ActiveState'] !== 'active') {
    const message = `${name} does not run (${unit['ActiveState']}, ${unit['SubState']}).`;
    return { check, status: 'error', message, remedy: `journalctl -u ${name}; systemctl start ${name}` };
  }
  if (unit['UnitFileState'] !== 'enabled') {
    const message = `${name} is running, but will not after the next boot.`;
    return { check, status: 'warning', message, remedy: `systemctl enable ${name}` };
  }
  if (restarts > RESTARTS_MAX) {
    const message = `${name} was restarted ${restarts} times.`;
    return { check, status: 'warning', message, remedy: `journalctl -u ${name}` };
  }
  return { check, status: 'ok', message: `${name} runs` };
}

/** A tmux server that the portal has started ends with the portal. */
async function inspectSession(rim: BoxRim): Promise<Finding> {
  const check = 'tmux';
  const pid = (await rim.ask('tmux', ['display-message', '-p', '#{pid}']))?.trim();
  if (pid === undefined || !/^\d+$/.test(pid)) {
    const remedy = 'Log in again, or set TMUX_TMPDIR=/run/stackmemory-session; systemctl status stackmemory-session';
    return { check, status: 'warning', message: 'No tmux server of this user was found.', remedy };
  }
  const group = rim.readText(`/proc/${pid}/cgroup`) ?? '';
  if (group.includes(SESSION_UNIT)) return { check, status: 'ok', message: `tmux ${pid} is ${SESSION_UNIT}'s own` };
  return {
    check,
    status: 'warning',
    message: `The tmux server (${pid}) does not belong to ${SESSION_UNIT}, so it may end with what started it.`,
    remedy: 'When the agent may be ended: tmux kill-server; systemctl restart stackmemory-session',
  };
}

async function inspectTailnet(rim: BoxRim, settings: Settings, status?: PortalStatus): Promise<Finding> {
  const check = 'tailnet';
  if (settings['BOX_TAILSCALE'] === 'no') return { check, status: 'ok', message: 'not wanted: loopback alone' };
  const addresses = await rim.tailnet();
  if (addresses.length === 0) {
    return { check, status: 'error', message: 'There is no tailnet address.', remedy: 'tailscale up --ssh' };
  }
  const listening = status?.addresses.some((address) => addresses.some((own) => address.includes(own))) ?? true;
  if (listening) return { check, status: 'ok', message: addresses.join(', ') };
  const message = `The portal does not listen on ${addresses.join(', ')}.`;
  return { check, status: 'error', message, remedy: 'journalctl -u stackmemory-portal' };
}

function inspectPortal(rim: BoxRim, status: PortalStatus | undefined): Finding {
  const check = 'portal';
  if (status === undefined) {
    return {
      check,
      status: 'error',
      message: 'The portal does not answer.',
      remedy: 'journalctl -u stackmemory-portal',
    };
  }
  if (status.version !== rim.version) {
    const message = `The running portal is version ${status.version}, but ${rim.version} is installed.`;
    return { check, status: 'warning', message, remedy: 'systemctl restart stackmemory-portal (the session stays)' };
  }
  const [problem] = status.problems;
  if (problem !== undefined) return { check, status: 'warning', message: problem };
  return { check, status: 'ok', message: `${status.version}, ${status.sessions.length} sessions` };
}

/** What listens where others than the tailnet could come in. Needs no rights, unlike the rules themselves. */
async function inspectFirewall(rim: BoxRim, settings: Settings): Promise<Finding> {
  const check = 'open ports';
  if (settings['BOX_FIREWALL'] === 'yes') return { check, status: 'ok', message: 'closed by the firewall' };
  const said = await rim.ask('ss', ['-H', '-l', '-t', '-n']);
  if (said === undefined) {
    return { check, status: 'warning', message: 'What listens is not known.', remedy: 'apt install iproute2' };
  }
  const open = said
    .split('\n')
    .flatMap((line) => line.trim().split(/\s+/)[3] ?? [])
    .map((place) => ({
      port: place.slice(place.lastIndexOf(':') + 1),
      address: place.slice(0, place.lastIndexOf(':')),
    }))
    .filter(({ address }) => !isInside(address));
  const ports = [...new Set(open.map(({ port }) => port))];
  if (ports.length === 0) return { check, status: 'ok', message: 'none except on loopback and the tailnet' };
  const message = `Port ${ports.join(', ')} can be reached from outside, unless the provider closes it.`;
  return {
    check,
    status: 'warning',
    message,
    remedy: 'sudo stackmemory-setup --firewall lets in the tailnet and nothing else.',
  };
}

/** As `ss` writes addresses: `127.0.0.53%lo`, `[::1]`, `*`. */
function isInside(written: string): boolean {
  const address = plainAddress(written.replace(/^\[|\]$/g, '').replace(/%.*$/, ''));
  return isLoopback(address) || isTailnet(address);
}

async function inspectClock(rim: BoxRim): Promise<Finding> {
  const check = 'time';
  const said = (await rim.ask('timedatectl', ['show', '--property=NTPSynchronized', '--value']))?.trim();
  if (said === 'yes') return { check, status: 'ok', message: 'synchronised over the network' };
  if (said === undefined)
    return { check, status: 'warning', message: 'Whether the clock is synchronised is not known.' };
  const remedy = 'apt install systemd-timesyncd, and see timedatectl';
  return { check, status: 'warning', message: 'Nothing synchronises the clock.', remedy };
}

function inspectToken(rim: BoxRim): Finding {
  const check = 'token';
  const file = path.join(rim.portalDirectory, 'token');
  const [ofFile, ofDirectory] = [file, rim.portalDirectory].map((place) =>
    fs.statSync(place, { throwIfNoEntry: false }),
  );
  if (ofFile === undefined || ofDirectory === undefined) {
    return { check, status: 'warning', message: `There is no ${file}: the portal makes it when it starts.` };
  }
  if ((ofFile.mode & PRIVATE) === 0 && (ofDirectory.mode & PRIVATE) === 0) {
    return { check, status: 'ok', message: 'readable by you alone' };
  }
  const remedy = `chmod 700 ${rim.portalDirectory}; chmod 600 ${file}; sm portal token --rotate`;
  return { check, status: 'error', message: `Others on this machine can read ${file}.`, remedy };
}

/** The brain's disk is looked at with the brain; a full root stops updates and logs. */
function inspectRoot(): Finding {
  const check = 'root disk';
  const { bavail, bsize } = fs.statfsSync('/');
  const message = `${Math.floor((bavail * bsize) / MEBIBYTE)} MiB free on /`;
  if (bavail * bsize >= DISK_COMFORT_BYTES) return { check, status: 'ok', message };
  return { check, status: 'warning', message, remedy: 'apt clean; journalctl --vacuum-size=100M' };
}

function splitAt(line: string, sign: string): [string, string] {
  const at = line.indexOf(sign);
  return [line.slice(0, at), line.slice(at + 1)];
}

function askProgram(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: CALL_TIMEOUT_MS }, (error, out) => resolve(error === null ? out : undefined));
  });
}

function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined; // Gone, or another's.
  }
}
