/**
 * Many at once, from cold: every entry that was acknowledged is there once, one host has served them all, nobody has
 * seen an error, and nothing is left running. Also while hosts are killed again and again.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect, hostInfoOf, hostProcessesOf, kill, newBrainDirectory, titlesIn } from '../support/host-brain.ts';
import { type Client, numberedTitles, startClient } from '../support/host-clients.ts';
import { inLanes, runSm } from '../support/host-commands.ts';
import { createRandom, integer, SEED } from '../support/host-random.ts';
import { waitUntil } from '../support/host-wait.ts';

const PROCESSES = 32;
const ENTRIES_EACH = 25;
/** A host lives about so long once it serves. */
const LIFE_MS = 300;
/** Every start of a host takes a second; so many are enough. */
const KILLS_MAX = 10;

function startCrowd(directory: string): { clients: Client[]; titles: string[] } {
  const names = Array.from({ length: PROCESSES }, (_, number) => `agent ${String(number).padStart(2, '0')}`);
  const clients = names.map((name) => startClient({ directory, titles: numberedTitles(name, ENTRIES_EACH) }));
  return { clients, titles: names.flatMap((name) => numberedTitles(name, ENTRIES_EACH)) };
}

async function expectAllServed(directory: string, clients: Client[], titles: string[]): Promise<void> {
  const exitCodes = await Promise.all(clients.map(({ ended }) => ended));
  expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
  expect(exitCodes).toEqual(clients.map(() => 0));
  expect(clients.flatMap(({ acknowledged }) => acknowledged).toSorted()).toEqual(titles);
  const brain = await connect(directory);
  expect(await titlesIn(brain)).toEqual(titles);
  expect(await brain.run('verify', {})).toMatchObject({ isSound: true, changes: titles.length });
  await brain.close();
  await waitUntil('one host to remain', () => hostProcessesOf(directory).length === 1);
  expect(hostProcessesOf(directory)).toEqual([hostInfoOf(directory)?.pid]);
}

test('[H2] thirty-two processes record twenty-five entries each, at once and from cold: one host serves them all', async () => {
  const directory = newBrainDirectory();
  const { clients, titles } = startCrowd(directory);
  await expectAllServed(directory, clients, titles);
  const log = fs.readFileSync(path.join(directory, 'host.log'), 'utf8');
  expect(log.match(/listening/g)).toHaveLength(1);
  expect(log).not.toMatch(/bug|did not|anew/);
});

describe(`with seed ${SEED}`, () => {
  test.each([1, 2])('[H1] the same while hosts are killed again and again (%i)', async (turn) => {
    const random = createRandom(SEED + turn);
    const directory = newBrainDirectory();
    const { clients, titles } = startCrowd(directory);
    const isRunning = (): boolean =>
      clients.some(({ process: child }) => child.exitCode === null && child.signalCode === null);
    const acknowledgedCount = (): number => clients.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    let kills = 0;
    while (isRunning() && kills < KILLS_MAX) {
      // A host that has served nobody yet is left alone: killed any sooner, none would ever get anything done.
      const before = acknowledgedCount();
      await waitUntil('a host that serves', () => !isRunning() || acknowledgedCount() > before + integer(random, 20));
      const pid = hostInfoOf(directory)?.pid;
      if (!isRunning() || pid === undefined) continue;
      const killAt = performance.now() + random() * LIFE_MS;
      await waitUntil('its time to come', () => !isRunning() || performance.now() >= killAt);
      kill(pid);
      kills += 1;
    }
    expect(kills).toBeGreaterThan(1);
    await expectAllServed(directory, clients, titles);
  });
});

test('[H2] commands that are started at once, from cold, all succeed and share one host', async () => {
  const directory = newBrainDirectory();
  const home = path.dirname(directory);
  const titles = numberedTitles('command', PROCESSES);
  const results = await inLanes(PROCESSES, titles, (title) => runSm(home, ['brain', 'record', '--title', title]));
  expect(results.map(({ exitCode }) => exitCode)).toEqual(titles.map(() => 0));
  expect(results.map(({ stderr }) => stderr).join('')).toBe('');
  const { stdout } = await runSm(home, ['brain', 'list', '--json', '--limit', '100']);
  const entries = JSON.parse(stdout) as { title: string }[];
  expect(entries.map(({ title }) => title).toSorted()).toEqual(titles);
  expect(hostProcessesOf(directory)).toHaveLength(1);
});
