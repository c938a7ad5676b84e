/** Where a brain is read from while its disk is nearly full: a copy in memory, as far as there is memory for one. */
import fs from 'node:fs';
import path from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { DISK_RESERVE_BYTES } from '../../lib/core/limits.ts';
import { ensureDataDirectory } from '../../lib/store/data-directory.ts';
import { isMisplaced, openPlaced } from '../../lib/store/placement.ts';
import { makeDirectory, removeDirectory } from '../support/stores.ts';

const MIB = 1024 * 1024;

afterEach(() => vi.restoreAllMocks());

test('[L13] on a nearly full disk a copy is read where it takes half of the memory at most, however large it is', async () => {
  const directory = makeDirectory();
  onTestFinished(() => removeDirectory(directory));
  const { dataDirectory } = await ensureDataDirectory(directory);
  // Takes no disk, and counts as what it would hold.
  const ballast = path.join(dataDirectory, 'ballast');
  fs.closeSync(fs.openSync(ballast, 'w'));
  fs.truncateSync(ballast, 64 * MIB);
  const memory = vi.spyOn(process, 'availableMemory').mockReturnValue(120 * MIB);
  vi.spyOn(fs, 'statfsSync').mockReturnValue({ bavail: DISK_RESERVE_BYTES - 1, bsize: 1 } as ReturnType<
    typeof fs.statfsSync
  >);
  const onDisk = await openPlaced(dataDirectory);
  expect(onDisk.isCopy).toBe(false);
  expect(isMisplaced(onDisk, dataDirectory)).toBe(false);
  memory.mockReturnValue(200 * MIB);
  expect(isMisplaced(onDisk, dataDirectory)).toBe(true);
  await onDisk.close();
  const copy = await openPlaced(dataDirectory);
  expect(copy.isCopy).toBe(true);
  expect((await copy.database.execute(sql`SELECT count(*) AS n FROM brain_entries`)).rows).toHaveLength(1);
  // What others take of the memory afterwards does not drive it away.
  memory.mockReturnValue(10 * MIB);
  expect(isMisplaced(copy, dataDirectory)).toBe(false);
  await copy.close();
});
