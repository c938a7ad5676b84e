/** Failures of the file system in words that a user can act on. Imports nothing heavy: every command loads it. */
import fs from 'node:fs';
import { SmError } from '../core/errors.ts';

/** A failure of the file system in words. Anything unknown stays as it is. */
export function explainFileError(error: unknown, place: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new SmError({
        code: 'disk_full',
        message: `The disk that holds ${place} is full.`,
        hint: 'Free some space and run the command again.',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new SmError({
        code: 'no_permission',
        message: `${place} cannot be read and written by this user (${(error as NodeJS.ErrnoException).code}).`,
        hint: 'Give yourself the directory (chown, chmod u+rwX), or point STACKMEMORY_HOME at one that is yours.',
        cause: error,
      });
    case 'EISDIR':
    case 'ERR_FS_EISDIR':
      return new SmError({
        code: 'store_foreign',
        message: `${placeOf(error) ?? place} is in the way: it is a directory where a file belongs.`,
        hint: 'Move that directory away, or point STACKMEMORY_HOME at another one.',
        cause: error,
      });
    case 'ENOTDIR':
    case 'EEXIST':
      return new SmError({
        code: 'store_foreign',
        message: `${place} is in the way: it is, or is inside, something that is not a directory.`,
        hint: 'Move the file that is in the way, or point STACKMEMORY_HOME at another directory.',
        cause: error,
      });
    default:
      return error;
  }
}

/** Room that is left to this user on the disk that holds `place`. */
export function freeBytesOf(place: string): number {
  const { bavail, bsize } = fs.statfsSync(place);
  return bavail * bsize;
}

/** What the failure itself names: of a renaming the new name. */
function placeOf(error: unknown): string | undefined {
  const { dest, path } = error as { dest?: string; path?: string };
  return dest ?? path;
}
