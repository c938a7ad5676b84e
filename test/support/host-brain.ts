/**
 * Brains for the tests of the host: throw-away directories, and everything there is to see and to kill of the
 * processes that serve them. Only processes of the directories made here are ever touched.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { type ConnectOptions, connectBrain } from '../../lib/host/client.ts';
import { type HostInfo, placesOf, readHostInfo } from '../../lib/host/places.ts';
import { waitUntil } from './host-wait.ts';

export const DIST_DIRECTORY = fileURLToPath(new URL('../../dist/', import.meta.url));
export const SCOPE = { workspaceId: '', projectId: 'project' };

const made: string[] = [];
const open = new Set<Brain>();

/** A path for a brain, in a directory of its own that goes when the test file ends. */
export function newBrainDirectory(parent: string = os.tmpdir()): string {
  const home = fs.realpathSync(fs.mkdtempSync(path.join(parent, 'sm-test-')));
  made.push(home);
  return path.join(home, 'brain');
}

afterAll(async () => {
  for (const brain of open) await brain.close();
  for (const home of made) {
    await endProcessesOf(home);
    fs.rmSync(home, { recursive: true, force: true });
  }
});

/** Connects as a command does; closed at the end of the file if the test does not. */
export async function connect(brainDirectory: string, options: Partial<ConnectOptions> = {}): Promise<Brain> {
  const brain = await connectBrain({ brainDirectory, clientVersion: '0.0.1', inProcess: false, ...options });
  open.add(brain);
  return brain;
}

export async function recordTitle(brain: Brain, title: string, requestId: string = randomUUID()): Promise<Entry> {
  const request = { requestId, scope: SCOPE, agent: 'tester', drafts: [{ title }] };
  const [entry] = await brain.run('record', request);
  if (entry === undefined) throw new Error('record gave no entry');
  return entry;
}

/** The titles of all entries, sorted: a title that is there twice is listed twice. */
export async function titlesIn(brain: Brain): Promise<string[]> {
  const entries = await brain.run('list', { scope: SCOPE, limit: 10_000, includeInactive: true });
  return entries.map(({ title }) => title).toSorted();
}

export function hostInfoOf(brainDirectory: string): HostInfo | undefined {
  return readHostInfo(placesOf(brainDirectory));
}

/** Waits for a host that has announced itself. */
export function announcedHost(brainDirectory: string): Promise<HostInfo> {
  return waitUntil('a host that announced itself', () => hostInfoOf(brainDirectory));
}

/** Ids of the living host processes whose brain is in or under `directory`, announced or not. */
export function hostProcessesOf(directory: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isHostOf(pid, directory));
}

function isHostOf(pid: number, directory: string): boolean {
  try {
    const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (!/stackmemory-host|host\.js/.test(command)) return false;
    const cwd = fs.readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
    return cwd === directory || cwd.startsWith(`${directory}/`) || command.includes(directory);
  } catch {
    return false; // It has ended meanwhile, or is a zombie.
  }
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export function hasEnded(pid: number): Promise<true> {
  return waitUntil(`the end of process ${pid}`, () => !isAlive(pid));
}

/** Ends what serves the brains under `directory`, the hard way. */
export async function endProcessesOf(directory: string): Promise<void> {
  await waitUntil('the end of all hosts', () => {
    const pids = hostProcessesOf(directory);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  });
}

/** SIGKILL; a process that has ended meanwhile is just as well. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function bytesOfMemory(pid: number): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}
