/**
 * Where a store is read from: the disk, or, while that is nearly full, a copy of it in memory. Owns the bounds between the
 * two. PostgreSQL does not survive running out of disk, and it writes even when it only reads or opens.
 */
import { DISK_RESERVE_BYTES } from '../core/limits.ts';
import { bytesIn } from './copied-fs.ts';
import { toStoreError } from './database.ts';
import { freeBytesOf } from './file-errors.ts';
import { openPgliteCopy, openPgliteStore, type OpenStore } from './pglite.ts';

/**
 * Of the memory that is to be had, the part that a copy may take. A directory that is larger is read from the disk, whatever room
 * there is: a process that runs out of memory is no better off than one whose disk is full.
 */
const COPY_MEMORY_SHARE = 0.5;
/** Room in which a directory is recovered and shut down, which may give back what the WAL of before took. */
export const CHECKPOINT_ROOM_BYTES = 4 * 1024 * 1024;
/** A copy is left for the disk once there is so much room, so that a file more or less does not change it each time. */
export const RETURN_BYTES = DISK_RESERVE_BYTES + 8 * 1024 * 1024;

/** Opens the store in `dataDirectory` where it can be read safely, whatever becomes of the disk meanwhile. @throws SmError */
export async function openPlaced(dataDirectory: string): Promise<OpenStore> {
  if (!shouldBeCopy(dataDirectory) || freeBytesOf(dataDirectory) >= CHECKPOINT_ROOM_BYTES) {
    try {
      const store = await openPgliteStore(dataDirectory);
      if (!shouldBeCopy(dataDirectory)) return store;
      await store.close();
    } catch (error) {
      if (toStoreError(error).code !== 'disk_full' || !shouldBeCopy(dataDirectory)) throw error;
    }
  }
  return openPgliteCopy(dataDirectory);
}

/** Whether `store`, of this directory, is to be opened anew at the other place. */
export function isMisplaced(store: OpenStore, dataDirectory: string): boolean {
  return store.isCopy ? freeBytesOf(dataDirectory) >= RETURN_BYTES : shouldBeCopy(dataDirectory);
}

function shouldBeCopy(dataDirectory: string): boolean {
  if (freeBytesOf(dataDirectory) >= DISK_RESERVE_BYTES) return false;
  return bytesIn(dataDirectory) <= COPY_MEMORY_SHARE * process.availableMemory();
}
