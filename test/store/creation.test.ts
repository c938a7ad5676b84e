/** A brain comes into being whole or not at all, wherever its creation is cut off. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ensureDataDirectory, MARKER_FILE } from '../../lib/store/data-directory.ts';
import { verifyStore } from '../../lib/store/verify.ts';
import { StoreChildren } from '../support/store-children.ts';
import { makeDirectory, openTestStore, removeDirectory } from '../support/stores.ts';

let children: StoreChildren;
let steps: number;
beforeAll(async () => {
  children = await StoreChildren.bundle();
  const directory = makeDirectory();
  ({ steps } = children.run('create', directory));
  removeDirectory(directory);
});
afterAll(() => children.dispose());

test('[L6] a kill at any step of creation leaves nothing, or a whole brain', async () => {
  // Many steps are alike (a file is made, written, synced): some of them, and all of the last ones, where it counts.
  const early = Array.from({ length: 8 }, (_, n) => 1 + Math.floor((n / 8) * (steps - 4)));
  const kills = [...early, steps - 3, steps - 2, steps - 1, steps];
  const outcomes: string[] = [];
  for (const killAt of kills) {
    const directory = makeDirectory();
    expect(children.run('create', directory, killAt).wasKilled, `step ${killAt} of ${steps}`).toBe(true);
    const isThere = fs.existsSync(path.join(directory, 'data'));
    if (isThere) await expectWholeBrain(directory, false);
    outcomes.push(isThere ? 'whole' : 'nothing');
    removeDirectory(directory);
  }
  expect(outcomes.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 'nothing'));
  expect(outcomes.at(-1)).toBe('whole'); // Killed while the rename was being synced.
});

test('[L6] what interrupted creations left behind is cleared away, and creation succeeds', async () => {
  const directory = makeDirectory();
  for (const part of [0.1, 0.5, 0.9]) children.run('create', directory, Math.floor(steps * part));
  fs.mkdirSync(path.join(directory, 'data.tmp-abandoned/deep/er'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'config.json'), '{}');
  expect(fs.readdirSync(directory)).toHaveLength(3); // Each creation clears away what the one before it left.
  await expectWholeBrain(directory, true);
  removeDirectory(directory);
});

test('[L6] an empty data directory is made whole', async () => {
  const directory = makeDirectory();
  fs.mkdirSync(path.join(directory, 'data'));
  await expectWholeBrain(directory, true);
  removeDirectory(directory);
});

test('[L6] files and directories are for their owner alone, and a second start makes nothing new', async () => {
  const directory = makeDirectory();
  const { dataDirectory, created } = await ensureDataDirectory(directory);
  expect(created).toBe(true);
  for (const name of ['', 'base', 'PG_VERSION', MARKER_FILE]) {
    const { mode } = fs.statSync(path.join(dataDirectory, name));
    expect(mode & 0o077, name).toBe(0);
  }
  const { ino } = fs.statSync(dataDirectory);
  expect(await ensureDataDirectory(directory)).toEqual({ dataDirectory, created: false });
  expect(fs.statSync(dataDirectory).ino).toBe(ino);
  removeDirectory(directory);
});

test('[L6] every file and directory is synced before the rename, and the rename is synced after it', async () => {
  const directory = makeDirectory();
  const events: string[] = [];
  const noteSync = (descriptor: number): void => void events.push(fs.readlinkSync(`/proc/self/fd/${descriptor}`));
  const { fsync, fsyncSync, renameSync } = fs;
  const spies = [
    vi.spyOn(fs, 'fsync').mockImplementation((descriptor, done) => {
      noteSync(descriptor);
      fsync(descriptor, done);
    }),
    vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
      noteSync(descriptor);
      fsyncSync(descriptor);
    }),
    vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
      events.push('rename');
      renameSync(from, to);
    }),
  ];
  const { dataDirectory } = await ensureDataDirectory(directory);
  for (const spy of spies) spy.mockRestore();
  const before = events.slice(0, events.indexOf('rename')).map((name) => name.replace(/data\.tmp-[0-9a-f]+/, 'data'));
  const there = fs.readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' });
  expect(there.length).toBeGreaterThan(400);
  expect(before.toSorted()).toEqual([dataDirectory, ...there.map((name) => path.join(dataDirectory, name))].toSorted());
  expect(events.slice(events.indexOf('rename') + 1)).toEqual([directory]);
  removeDirectory(directory);
});

async function expectWholeBrain(directory: string, isCreated: boolean): Promise<void> {
  const { created } = await ensureDataDirectory(directory);
  expect(created).toBe(isCreated);
  expect(fs.readdirSync(directory).filter((name) => name.startsWith('data'))).toEqual(['data']);
  const { store } = await openTestStore(directory);
  expect(store.migrationsRun).toBe(0);
  expect(await verifyStore(store.database)).toMatchObject({ changes: 0, entries: 0, isSound: true });
  await store.close();
}
