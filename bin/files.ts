/** What can go wrong with a file that the user named, in words. */
import { SmError, type ErrorCode } from '../lib/core/errors.ts';

const CODES: Readonly<Record<string, readonly [code: ErrorCode, reason: string]>> = {
  ENOENT: ['not_found', 'it does not exist'],
  ENOTDIR: ['not_found', 'part of its path is not a directory'],
  EISDIR: ['bad_request', 'it is a directory'],
  EACCES: ['no_permission', 'permission is denied'],
  EPERM: ['no_permission', 'permission is denied'],
  EROFS: ['no_permission', 'the file system is read-only'],
  ENOSPC: ['disk_full', 'the disk is full'],
  EDQUOT: ['disk_full', 'the disk quota is used up'],
  ENXIO: ['bad_request', 'nothing takes what is written to it'],
  ELOOP: ['bad_request', 'its symbolic links lead in a circle'],
  ENAMETOOLONG: ['bad_request', 'its name is too long'],
  ERR_INVALID_ARG_VALUE: ['bad_request', 'its name is not a path'],
};

/** Wraps a file system error; any other failure comes back as it is. */
export function fileFailure(
  error: unknown,
  path: string,
  verb: 'read' | 'written',
  hint: string = verb === 'read' ? 'Check the path; "-" reads stdin.' : 'Choose another path with --output.',
): unknown {
  const errno = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof SmError || typeof errno !== 'string') return error;
  const [code, reason] = CODES[errno] ?? ['store_failed', `of ${errno}`];
  return new SmError({
    code,
    message: `${JSON.stringify(path)} cannot be ${verb}: ${reason}.`,
    hint,
    cause: error,
  });
}
