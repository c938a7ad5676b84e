/** How a host comes and goes: one for all who start at once, and none left when it is not wanted any more. */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { hostStatus, stopHost } from '../../lib/host/control.ts';
import { startHost } from '../../lib/host/host-process.ts';
import { tryTakeLock } from '../../lib/host/lock.ts';
import { lockIdOf, placesOf } from '../../lib/host/places.ts';
import { openOwnedBrain } from '../../lib/host/owned-brain.ts';
import { startHostOnce } from '../../lib/host/start.ts';
import {
  announcedHost,
  connect,
  DIST_DIRECTORY,
  hasEnded,
  hostInfoOf,
  hostProcessesOf,
  isAlive,
  kill,
  newBrainDirectory,
  recordTitle,
  titlesIn,
} from '../support/host-brain.ts';
import { numberedTitles, startClient } from '../support/host-clients.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

const IDLE_MS = 300;

test('[H1] of those who open a brain in-process at once, one has it and the others are refused, then served in turn', async () => {
  const directory = newBrainDirectory();
  const first = await connect(directory, { inProcess: true });
  const lock = tryTakeLock(placesOf(directory).lockFile, { pid: process.pid, kind: 'process' });
  expect(lock).toBeUndefined();
  // The second waits for the first to let go, and gets it then.
  const second = openOwnedBrain({ brainDirectory: directory });
  await recordTitle(first, 'one');
  await first.close();
  const brain = await second;
  expect(await titlesIn(brain)).toEqual(['one']);
  await brain.close();
});

test('[H1] a host that starts while another serves gives way to it, at once and without a word of failure', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  const { pid } = await announcedHost(directory);
  const code = await startHostByHand(directory);
  expect(code).toBe(0);
  expect((await announcedHost(directory)).pid).toBe(pid);
  expect(hostProcessesOf(directory)).toEqual([pid]);
  await brain.close();
});

test('[H2] a caller who finds out too late that a host has been started does not start another', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  const { pid } = await announcedHost(directory);
  // As if it had looked before the host announced itself, and been slow since.
  expect(await startHostOnce(placesOf(directory), undefined, {})).toBe(true);
  expect(hostProcessesOf(directory)).toEqual([pid]);
  await brain.close();
});

test('[H2] many who open a brain in one process at once share one host', async () => {
  const directory = newBrainDirectory();
  const brains = await Promise.all(Array.from({ length: 12 }, () => connect(directory)));
  await Promise.all(brains.map((brain, number) => recordTitle(brain, `from ${String(number).padStart(2, '0')}`)));
  expect(hostProcessesOf(directory)).toHaveLength(1);
  const [first] = brains;
  expect(first && (await titlesIn(first))).toHaveLength(12);
  await Promise.all(brains.map((brain) => brain.close()));
});

test('[H8] a host without clients ends by itself, and the next caller gets another', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory, { hostIdleMs: IDLE_MS });
  await recordTitle(brain, 'before');
  const { pid } = await announcedHost(directory);
  await brain.close();
  await hasEnded(pid);
  expect(hostInfoOf(directory)).toBeUndefined();
  expect(fs.existsSync(path.join(directory, 'host.sock'))).toBe(false);
  const again = await connect(directory, { hostIdleMs: IDLE_MS });
  expect(await titlesIn(again)).toEqual(['before']);
  // With a client it stays, however long that client says nothing.
  const next = await announcedHost(directory);
  const connectedUntil = performance.now() + IDLE_MS * 8;
  await waitUntil('more than the idle time', () => performance.now() > connectedUntil);
  expect(isAlive(next.pid)).toBe(true);
  await again.close();
  await hasEnded(next.pid);
});

test.each<[string, (directory: string, pid: number) => unknown]>([
  ['SIGTERM', (_, pid) => process.kill(pid, 'SIGTERM')],
  ['being asked', (directory) => stopHost({ brainDirectory: directory })],
])('[H8] a host ends upon %s, with a clean shutdown, and those connected go on with another', async (_how, end) => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'before');
  const { pid } = await announcedHost(directory);
  const titles = numberedTitles('during', 30);
  const writes = Promise.all(titles.map((title) => recordTitle(brain, title)));
  await end(directory, pid);
  await writes;
  await hasEnded(pid);
  expect(fs.readFileSync(placesOf(directory).logFile, 'utf8')).toContain('ended');
  expect(await titlesIn(brain)).toEqual(['before', ...titles]);
  await brain.close();
});

test('[H8] stopping where there is nothing to stop says so', async () => {
  const directory = newBrainDirectory();
  expect(await stopHost({ brainDirectory: directory })).toEqual({ stopped: false });
  expect(await hostStatus({ brainDirectory: directory })).toEqual({ running: false });
  const brain = await connect(directory);
  await brain.close();
  const { pid } = await announcedHost(directory);
  kill(pid);
  await hasEnded(pid);
  expect(await stopHost({ brainDirectory: directory })).toEqual({ stopped: false });
});

test.each<[string, (directory: string) => void]>([
  ['removed', (directory) => fs.rmSync(directory, { recursive: true })],
  [
    'replaced',
    (directory) => {
      fs.renameSync(directory, `${directory}-moved`);
      fs.mkdirSync(directory, { mode: 0o700 });
    },
  ],
])('[H8] a host whose directory is %s ends, and a new brain is served in its place', async (_how, remove) => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'gone');
  const { pid } = await announcedHost(directory);
  remove(directory);
  await hasEnded(pid);
  expect(await titlesIn(brain)).toEqual([]);
  await brain.close();
  await announcedHost(directory);
  expect(hostProcessesOf(path.dirname(directory))).toHaveLength(1);
});

test('[H1] a host whose directory was replaced does nothing more for anybody, not even for those connected', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'old');
  fs.renameSync(directory, `${directory}-moved`);
  // At once: the host has not had the time to look by itself.
  await recordTitle(brain, 'new');
  expect(await titlesIn(brain)).toEqual(['new']);
  await brain.close();
  const moved = await connect(`${directory}-moved`);
  expect(await titlesIn(moved)).toEqual(['old']);
  await moved.close();
});

test('[H2] a relative path names the same brain as the absolute one, to the host too', async () => {
  const directory = newBrainDirectory();
  const before = process.cwd();
  process.chdir(path.dirname(directory));
  const relative = await connect(path.basename(directory)).finally(() => process.chdir(before));
  await recordTitle(relative, 'relative');
  const absolute = await connect(directory);
  expect(await titlesIn(absolute)).toEqual(['relative']);
  expect(fs.readdirSync(path.dirname(directory))).toEqual(['brain']);
  await relative.close();
  await absolute.close();
});

test('[H8] a host whose announcement is removed announces itself again; one whose socket is removed makes room', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'kept');
  const info = await announcedHost(directory);
  fs.rmSync(placesOf(directory).hostInfoFile);
  expect(await announcedHost(directory)).toEqual(info);
  fs.rmSync(info.socket);
  const other = await connect(directory);
  expect(await titlesIn(other)).toEqual(['kept']);
  await hasEnded(info.pid);
  expect(await titlesIn(brain)).toEqual(['kept']);
  expect(hostProcessesOf(directory)).toHaveLength(1);
  await other.close();
  await brain.close();
});

test('[H8] one that is started needlessly says so, also where the host before makes room in that very moment', async () => {
  const directory = newBrainDirectory();
  fs.mkdirSync(directory, { mode: 0o700 });
  const places = placesOf(directory);
  const lock = tryTakeLock(places.lockFile, { pid: process.pid, kind: 'host' });
  // A pipe holds its text for one reader: whoever looks a second time finds that the announcement is gone.
  execFileSync('mkfifo', [places.hostInfoFile]);
  const announcement = { pid: process.pid, version: '0.0.1', socket: '', secret: '', lockId: lockIdOf(places) };
  const started = outcomeOf(startHost(directory, IDLE_MS));
  await fs.promises.writeFile(places.hostInfoFile, JSON.stringify(announcement));
  const over = new AbortController();
  const emptying = (async () => {
    while (!over.signal.aborted) await fs.promises.writeFile(places.hostInfoFile, '');
  })();
  expect(await started).toEqual({ value: undefined });
  over.abort();
  const reader = fs.openSync(places.hostInfoFile, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  await emptying;
  fs.closeSync(reader);
  lock?.release();
});

test('[H9] a host whose starter is killed serves the next caller, and is the only one', async () => {
  const directory = newBrainDirectory();
  const client = startClient({ directory, titles: numberedTitles('never', 1_000) });
  await waitUntil('a host on its way', () => hostProcessesOf(directory).length > 0);
  client.process.kill('SIGKILL');
  await client.ended;
  const brain = await connect(directory);
  await recordTitle(brain, 'served');
  await waitUntil('one host', () => hostProcessesOf(directory).length === 1);
  await brain.close();
});

test('[H9] what keeps a host from starting reaches the caller as the error it is, and no process stays', async () => {
  const directory = newBrainDirectory();
  const data = path.join(directory, 'data');
  fs.mkdirSync(data, { recursive: true });
  fs.writeFileSync(path.join(data, 'somebody-elses'), 'precious');
  const open = async (): Promise<unknown> => {
    const brain = await connect(directory);
    return recordTitle(brain, 'never');
  };
  const outcomes = await Promise.all([outcomeOf(open()), outcomeOf(open()), outcomeOf(open())]);
  expect(outcomes).toEqual(outcomes.map(() => ({ error: 'store_foreign' })));
  await waitUntil('all hosts to end', () => hostProcessesOf(directory).length === 0);
  expect(fs.readdirSync(data)).toEqual(['somebody-elses']);
});

test('[H9] a host that cannot announce itself ends with the reason, instead of staying unreachable', async () => {
  const directory = newBrainDirectory();
  fs.mkdirSync(placesOf(directory).hostInfoFile, { recursive: true, mode: 0o700 });
  fs.chmodSync(directory, 0o700);
  expect(await startHostByHand(directory)).toBeGreaterThan(0);
  expect(hostProcessesOf(directory)).toEqual([]);
  expect(fs.readFileSync(placesOf(directory).logFile, 'utf8')).toContain('did not start');
});

/** Starts a host as nobody should, and waits for its end. */
function startHostByHand(directory: string): Promise<number | null> {
  const child = spawn(process.execPath, [path.join(DIST_DIRECTORY, 'host.js'), directory, '60000'], {
    stdio: 'ignore',
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve(code));
  });
}
