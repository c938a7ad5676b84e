/** What is left after much use: one host of modest size, and no other process, file or connection. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostStatus } from '../../lib/host/control.ts';
import {
  announcedHost,
  bytesOfMemory,
  connect,
  hasEnded,
  hostInfoOf,
  hostProcessesOf,
  kill,
  newBrainDirectory,
  recordTitle,
  SCOPE,
  titlesIn,
} from '../support/host-brain.ts';
import { buildAs, type OtherBuild } from '../support/host-build.ts';
import { startClient } from '../support/host-clients.ts';
import { inLanes, runSm } from '../support/host-commands.ts';
import { waitUntil } from '../support/host-wait.ts';

const COMMANDS = Number(process.env['CROWD_COMMANDS'] ?? 300);
const LANES = 4;
const COMMANDS_MS_MAX = 600_000;
const BATCHES = 5;
const BATCH_REQUESTS = 600;
/** For each request, in the usual batch. */
const GROWTH_BYTES_MAX = 20 * 1024;
const MEBIBYTE = 1024 * 1024;

let newer: OtherBuild;

beforeAll(async () => {
  newer = await buildAs('99.0.0');
});

afterAll(() => newer.remove());

test(
  '[H9] after hundreds of short commands, crashes and an upgrade one host is left, and nothing else',
  async () => {
    const directory = newBrainDirectory();
    const home = path.dirname(directory);
    const commands = Array.from({ length: COMMANDS }, (_, number) => number);
    const pids = new Set<number>();
    const results = await inLanes(LANES, commands, async (number) => {
      const pid = hostInfoOf(directory)?.pid;
      if (pid !== undefined) pids.add(pid);
      // Now and then a host crashes, a caller is killed in the middle, a newer version comes along.
      if (number % 200 === 199 && pid !== undefined) kill(pid);
      if (number % 150 === 149) {
        const client = startClient({ directory, titles: ['never finished'] });
        client.process.kill('SIGKILL');
        await client.ended;
      }
      if (number === Math.floor(COMMANDS / 2)) {
        expect(await startClient({ directory, dist: newer.directory, titles: ['upgraded'] }).ended).toBe(0);
      }
      const isWrite = number % 3 === 0;
      return runSm(
        home,
        isWrite ? ['brain', 'record', '--title', `command ${number}`] : ['brain', 'recall', `command`, '--json'],
      );
    });
    expect(results.filter(({ exitCode }) => exitCode !== 0)).toEqual([]);
    const { pid } = await announcedHost(directory);
    await waitUntil('the others to end', () => hostProcessesOf(directory).length === 1);
    expect(hostProcessesOf(directory)).toEqual([pid]);
    expect(pids.size).toBeGreaterThan(2);
    const status = await hostStatus({ brainDirectory: directory });
    expect(status).toMatchObject({ running: true, clients: 0, storeRestarts: 0 });
    expect(bytesOfMemory(pid) / MEBIBYTE).toBeLessThan(300);
    const known = ['data', 'host.json', 'host.log', 'host.log.1', 'host.sock', 'lock', 'start.lock'];
    expect(fs.readdirSync(directory).filter((name) => !known.includes(name))).toEqual([]);
    const brain = await connect(directory);
    expect((await titlesIn(brain)).filter((title) => title.startsWith('command'))).toHaveLength(
      Math.ceil(COMMANDS / 3),
    );
    expect(await brain.run('verify', {})).toMatchObject({ isSound: true });
    await brain.close();
    process.kill(pid, 'SIGTERM');
    await hasEnded(pid);
    expect(hostProcessesOf(directory)).toEqual([]);
    expect(fs.readdirSync(directory).filter((name) => /^host\.(json|sock)/.test(name))).toEqual([]);
  },
  COMMANDS_MS_MAX,
);

test('[H9] a host that serves thousands of requests, connections and refusals does not grow with each of them', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  const { pid } = await announcedHost(directory);
  const serve = async (count: number): Promise<void> => {
    const numbers = Array.from({ length: count }, (_, number) => number);
    await inLanes(8, numbers, async (number) => {
      if (number % 5 === 0) await recordTitle(brain, `entry ${number}`);
      else if (number % 5 === 1) await (await connect(directory)).close();
      else if (number % 5 === 2)
        await brain.run('show', { workspaceId: '', idOrPrefix: 'ffffffff' }).catch(() => undefined);
      else await brain.run('recall', { scope: SCOPE, query: `entry ${number}`, limit: 10 });
    });
  };
  await serve(500); // What every host needs: caches, compiled code.
  const sizes = [bytesOfMemory(pid)];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await serve(BATCH_REQUESTS);
    sizes.push(bytesOfMemory(pid));
  }
  // What leaks, leaks in every batch. A heap that is let grow now and then does not: newer Nodes take thousands of requests to
  // come to rest, since they collect later.
  const growths = sizes.slice(1).map((size, batch) => size - (sizes[batch] ?? 0));
  const [, usual] = growths.toSorted((one, other) => one - other);
  const shown = sizes.map((size) => Math.round(size / MEBIBYTE)).join(', ');
  expect(usual, `its size was ${shown} MiB`).toBeLessThan(BATCH_REQUESTS * GROWTH_BYTES_MAX);
  await waitUntil('only one connection to be left', async () => {
    const status = await hostStatus({ brainDirectory: directory });
    return status.running && status.clients === 1;
  });
  const openFiles = fs.readdirSync(`/proc/${pid}/fd`).length;
  expect(openFiles).toBeLessThan(200);
  await brain.close();
});
