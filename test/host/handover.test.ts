/** Versions side by side: the newest host wins, nobody fails, and who cannot be understood is told. */
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as library from '../../lib/index.ts';
import type { Brain } from '../../lib/brain/contract.ts';
import {
  announcedHost,
  connect,
  DIST_DIRECTORY,
  hasEnded,
  hostProcessesOf,
  isAlive,
  newBrainDirectory,
  recordTitle,
  titlesIn,
} from '../support/host-brain.ts';
import { buildAs, type OtherBuild } from '../support/host-build.ts';
import { numberedTitles, startClient } from '../support/host-clients.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

const NEWER = '99.0.0';
const NEWEST = '99.10.0';

let newer: OtherBuild;
let newest: OtherBuild;
let newerOtherWire: OtherBuild;

beforeAll(async () => {
  [newer, newest, newerOtherWire] = await Promise.all([buildAs(NEWER), buildAs(NEWEST), buildAs(NEWER, { wire: 2 })]);
});

afterAll(() => {
  for (const build of [newer, newest, newerOtherWire]) build.remove();
});

async function openWith(dist: string, directory: string): Promise<Brain> {
  const module = (await import(/* @vite-ignore */ pathToFileURL(path.join(dist, 'index.js')).href)) as typeof library;
  return module.openBrain({ directory });
}

test('[H8] a newer client takes over from an older host while it works, and no request is lost or done twice', async () => {
  const directory = newBrainDirectory();
  const oldClient = startClient({ directory, titles: numberedTitles('old', 200), inFlight: 8 });
  await oldClient.opened;
  await waitUntil('some work to be done', () => oldClient.acknowledged.length > 20);
  const before = await announcedHost(directory);
  const newClient = startClient({ directory, dist: newer.directory, titles: numberedTitles('new', 50), inFlight: 8 });
  expect(await newClient.ended).toBe(0);
  expect(await oldClient.ended).toBe(0);
  expect([...oldClient.errors, ...newClient.errors]).toEqual([]);
  const after = await announcedHost(directory);
  expect(after.version).toBe(NEWER);
  expect(after.pid).not.toBe(before.pid);
  await hasEnded(before.pid);
  const brain = await connect(directory);
  expect(await titlesIn(brain)).toEqual([...numberedTitles('new', 50), ...numberedTitles('old', 200)]);
  expect((await announcedHost(directory)).pid).toBe(after.pid);
  await brain.close();
});

test('[H8] clients of many versions at once, from cold: the newest host serves in the end, and alone', async () => {
  const directory = newBrainDirectory();
  const dists = [DIST_DIRECTORY, newer.directory, newest.directory];
  const clients = Array.from({ length: 9 }, (_, number) =>
    startClient({ directory, dist: dists[number % 3] as string, titles: numberedTitles(`client ${number}`, 10) }),
  );
  expect(await Promise.all(clients.map(({ ended }) => ended))).toEqual(clients.map(() => 0));
  expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
  const info = await announcedHost(directory);
  expect(info.version).toBe(NEWEST);
  await waitUntil('the others to end', () => hostProcessesOf(directory).length === 1);
  expect(hostProcessesOf(directory)).toEqual([info.pid]);
  const brain = await connect(directory);
  expect(await titlesIn(brain)).toHaveLength(90);
  await brain.close();
});

test('[H8] versions that take turns never flap: after the first hand-over one host serves both', async () => {
  const directory = newBrainDirectory();
  const pids: number[] = [];
  const titles: string[] = [];
  for (const [number, dist] of [
    DIST_DIRECTORY,
    newer.directory,
    DIST_DIRECTORY,
    newer.directory,
    DIST_DIRECTORY,
  ].entries()) {
    const brain = await openWith(dist, directory);
    titles.push(`turn ${number}`);
    await recordTitle(brain, `turn ${number}`);
    expect(await titlesIn(brain)).toEqual(titles);
    await brain.close();
    pids.push((await announcedHost(directory)).pid);
  }
  expect(new Set(pids).size).toBe(2);
  expect(new Set(pids.slice(1)).size).toBe(1);
});

test('[H8] a client of an older language is told to upgrade; a newer one takes over from a host it does not understand', async () => {
  const directory = newBrainDirectory();
  const current = await connect(directory);
  await recordTitle(current, 'in the older language');
  const before = await announcedHost(directory);
  const next = await openWith(newerOtherWire.directory, directory);
  expect(await titlesIn(next)).toEqual(['in the older language']);
  await hasEnded(before.pid);
  const { pid } = await announcedHost(directory);
  // The connection of the older client went with the older host; what it asks now it asks of one it cannot talk to.
  expect(await outcomeOf(recordTitle(current, 'too old'))).toEqual({ error: 'upgrade_needed' });
  expect(await outcomeOf(connect(directory))).toEqual({ error: 'upgrade_needed' });
  expect(isAlive(pid)).toBe(true);
  expect(await titlesIn(next)).toEqual(['in the older language']);
  await next.close();
});

test('[H8] a host that is asked to make room finishes what is under way first', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'warm');
  const { pid } = await announcedHost(directory);
  const titles = numberedTitles('under way', 60);
  const writes = Promise.all(titles.map((title) => recordTitle(brain, title)));
  const next = await openWith(newer.directory, directory);
  await writes;
  await hasEnded(pid);
  expect(await titlesIn(next)).toEqual([...titles, 'warm']);
  const log = fs.readFileSync(path.join(directory, 'host.log'), 'utf8');
  expect(log).toContain('a newer version takes over');
  expect(log).not.toMatch(/bug|did not/);
  await next.close();
  await brain.close();
});
