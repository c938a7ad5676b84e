/** Disks that are full, at any moment, and directories that cannot be written: clear errors, and nothing is harmed. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import { hostStatus } from '../../lib/host/control.ts';
import { DISK_RESERVE_BYTES } from '../../lib/core/limits.ts';
import {
  announcedHost,
  connect,
  endProcessesOf,
  hasEnded,
  hostProcessesOf,
  kill,
  newBrainDirectory,
  recordTitle,
  SCOPE,
  titlesIn,
} from '../support/host-brain.ts';
import { missingForDisks, mountReadOnly, SmallDisk } from '../support/host-disk.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

const DISK_BYTES = 64 * 1024 * 1024;
const diskFull = { error: 'disk_full' };

const missing = missingForDisks();
if (missing !== undefined) console.warn(`The tests of full and read-only disks are left out: ${missing}.`);

describe.skipIf(missing !== undefined)('with a small disk', () => {
  let disk: SmallDisk;
  let directory: string;

  beforeEach(() => {
    disk = new SmallDisk(DISK_BYTES);
    directory = path.join(disk.directory, 'brain');
  });

  afterEach(async () => {
    await endProcessesOf(disk.directory);
    disk.remove();
  });

  /** Everything works again: writing, reading, and all that was promised is there. */
  async function expectRecovered(brain: Brain, titles: string[]): Promise<void> {
    await recordTitle(brain, 'afterwards');
    expect(await titlesIn(brain)).toEqual([...titles, 'afterwards'].toSorted());
    expect(await brain.run('verify', {})).toMatchObject({ isSound: true });
    await brain.close();
  }

  test.each([0, DISK_RESERVE_BYTES / 2])(
    '[L13] with %i bytes left writing is refused at once, reading goes on, and space back means that work goes on',
    async (leftBytes) => {
      const brain = await connect(directory);
      await recordTitle(brain, 'earlier');
      const { pid } = await announcedHost(directory);
      disk.fill(leftBytes);
      expect(await outcomeOf(recordTitle(brain, 'refused'))).toEqual(diskFull);
      expect(await titlesIn(brain)).toEqual(['earlier']);
      expect(await brain.run('recall', { scope: SCOPE, query: 'earlier', limit: 5 })).toHaveLength(1);
      disk.free();
      await expectRecovered(brain, ['earlier']);
      expect((await announcedHost(directory)).pid).toBe(pid);
    },
  );

  test('[L13] a disk that fills up right after much was written: reading goes on, past the time of upkeep too', async () => {
    const brain = await connect(directory);
    const titles: string[] = [];
    // Enough that the next checkpoint needs another file of the write-ahead log, for which there is no space.
    for (let number = 0; number < 24; number += 1) {
      await recordMuch(brain, number, 20);
      titles.push(...titlesOf(number, 20));
    }
    disk.fill(0);
    expect(await outcomeOf(recordTitle(brain, 'refused'))).toEqual(diskFull);
    expect(await titlesIn(brain)).toEqual(titles.toSorted());
    const quietUntil = performance.now() + 3_000;
    await waitUntil('the time of upkeep to pass', () => performance.now() > quietUntil);
    expect(await titlesIn(brain)).toEqual(titles.toSorted());
    expect(await hostStatus({ brainDirectory: directory })).toMatchObject({ running: true, storeRestarts: 1 });
    disk.free();
    await expectRecovered(brain, titles);
  });

  test.each([4, 1_000])(
    '[L13] a disk that fills up while a large request is written (after %i KiB): an error, no harm',
    async (writtenKibibytes) => {
      const brain = await connect(directory);
      await recordTitle(brain, 'earlier');
      const sizeAtFirst = disk.freeBytes;
      const requests = Array.from({ length: 4 }, (_, number) => outcomeOf(recordMuch(brain, number, 400)));
      await waitUntil('the writing to begin', () => sizeAtFirst - disk.freeBytes > writtenKibibytes * 1024);
      disk.fill(0);
      const outcomes = await Promise.all(requests);
      const written = outcomes.flatMap((outcome, number) =>
        'value' in (outcome as object) ? titlesOf(number, 400) : [],
      );
      expect(outcomes.filter((outcome) => 'error' in (outcome as object))).toEqual(expect.arrayContaining([diskFull]));
      for (const outcome of outcomes) if ('error' in (outcome as object)) expect(outcome).toEqual(diskFull);
      expect(await outcomeOf(recordTitle(brain, 'refused'))).toEqual(diskFull);
      disk.free();
      await expectRecovered(brain, ['earlier', ...written]);
    },
  );

  test('[L13] reading what was written just before takes nothing of a disk that is nearly full', async () => {
    const brain = await connect(directory);
    // As much as is read for the first time: PostgreSQL would write each of these pages into the WAL.
    for (let number = 0; number < 6; number += 1) await recordMuch(brain, number, 400);
    kill((await announcedHost(directory)).pid);
    disk.fill(DISK_RESERVE_BYTES / 2);
    const freeBytes = disk.freeBytes;
    expect(await titlesIn(brain)).toHaveLength(2_400);
    expect(await brain.run('verify', {})).toMatchObject({ isSound: true, changes: 2_400 });
    // The host's log and its address.
    expect(freeBytes - disk.freeBytes).toBeLessThan(64 * 1024);
    disk.free();
    expect(await outcomeOf(recordTitle(brain, 'afterwards'))).toHaveProperty('value');
    await brain.close();
  });

  test.each([16, 128, 512])(
    '[L13] a disk that is filled up while a brain is opened and read (after %i KiB): it is read',
    async (writtenKibibytes) => {
      const brain = await connect(directory);
      for (let number = 0; number < 6; number += 1) await recordMuch(brain, number, 400);
      kill((await announcedHost(directory)).pid);
      disk.fill(DISK_RESERVE_BYTES + 256 * 1024);
      const freeBytes = disk.freeBytes;
      const verifying = brain.run('verify', {});
      await waitUntil(
        'the opening, or the reading, to write',
        () => disk.freeBytes < freeBytes - writtenKibibytes * 1024,
      );
      disk.fill(0);
      expect(await verifying).toMatchObject({ isSound: true, changes: 2_400 });
      disk.free();
      expect(await outcomeOf(recordTitle(brain, 'afterwards'))).toHaveProperty('value');
      await brain.close();
    },
  );

  test('[L13] a cold start on a full disk reads, writing is a clear error, and all is well when there is space', async () => {
    const brain = await connect(directory);
    await recordTitle(brain, 'earlier');
    await brain.close();
    const { pid } = await announcedHost(directory);
    kill(pid);
    await hasEnded(pid);
    disk.fill(0);
    const using = async <T>(use: (brain: Brain) => Promise<T>): Promise<T> => {
      const opened = await connect(directory);
      try {
        return await use(opened);
      } finally {
        await opened.close();
      }
    };
    expect(await Promise.all([using(titlesIn), using(titlesIn)])).toEqual([['earlier'], ['earlier']]);
    expect(await outcomeOf(using((opened) => recordTitle(opened, 'refused')))).toEqual(diskFull);
    for (const host of hostProcessesOf(directory)) kill(host);
    await waitUntil('all hosts to end', () => hostProcessesOf(directory).length === 0);
    disk.free();
    await expectRecovered(await connect(directory), ['earlier']);
  });

  test('[L6] a brain that cannot come into being for lack of space leaves nothing, and comes into being later', async () => {
    for (const leftBytes of [0, 300_000, 4_000_000]) {
      disk.fill(leftBytes);
      const open = async (): Promise<unknown> => titlesIn(await connect(directory));
      expect(await outcomeOf(open()), `${leftBytes} bytes`).toEqual(diskFull);
      await waitUntil('all hosts to end', () => hostProcessesOf(directory).length === 0);
      expect(fs.readdirSync(directory).filter((name) => name.startsWith('data'))).toEqual([]);
      disk.free();
    }
    await expectRecovered(await connect(directory), []);
  });

  /** About 1.2 KB an entry, which compression does not make less. */
  function recordMuch(brain: Brain, number: number, entries: number): Promise<unknown> {
    const drafts = titlesOf(number, entries).map((title) => ({ title, summary: randomBytes(600).toString('hex') }));
    return brain.run('record', { requestId: crypto.randomUUID(), scope: SCOPE, agent: 'tester', drafts });
  }

  const titlesOf = (number: number, entries: number): string[] =>
    Array.from({ length: entries }, (_, part) => `much ${number}/${part}`);
});

describe.skipIf(missing !== undefined)('with a directory that is not ours to write', () => {
  test.each([false, true])(
    '[L7] a read-only directory is refused, and not touched (in-process: %s)',
    async (inProcess) => {
      const directory = newBrainDirectory();
      const brain = await connect(directory);
      await recordTitle(brain, 'earlier');
      await brain.close();
      const { pid } = await announcedHost(directory);
      kill(pid);
      await hasEnded(pid);
      const restore = mountReadOnly(directory);
      const before = snapshot(directory);
      try {
        expect(await outcomeOf(connect(directory, { inProcess }))).toEqual({ error: 'no_permission' });
        expect(snapshot(directory)).toEqual(before);
      } finally {
        restore();
      }
      const again = await connect(directory, { inProcess });
      expect(await titlesIn(again)).toEqual(['earlier']);
      await again.close();
    },
  );

  test.each([false, true])(
    '[L7] a directory of another user is refused, and not touched (in-process: %s)',
    async (inProcess) => {
      const directory = newBrainDirectory();
      fs.mkdirSync(directory, { mode: 0o755 });
      fs.chmodSync(directory, 0o755);
      fs.chownSync(directory, 65_534, 65_534);
      expect(await outcomeOf(connect(directory, { inProcess }))).toEqual({ error: 'no_permission' });
      expect(fs.readdirSync(directory)).toEqual([]);
      expect(fs.statSync(directory).mode & 0o777).toBe(0o755);
    },
  );
});

/** Name, size and time of change of everything there is. */
function snapshot(directory: string): string[] {
  return fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => {
    const { size, mtimeMs } = fs.lstatSync(path.join(directory, name));
    return `${name} ${size} ${mtimeMs}`;
  });
}
