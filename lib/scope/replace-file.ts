/**
 * Puts a text in the place of a file. Owns the temporary file beside it, and what killed writers have left of theirs.
 * Invariant: whoever reads the file, at whatever moment, and after a kill or a power cut too, finds all of the old text or
 * all of the new; nothing is left of what failed, and no other user reads a file that is private, not for a moment.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const PRIVATE_MODE = 0o600;
/** As the kernel's own limit. */
const SYMLINKS_MAX = 40;

/**
 * Puts `text` in the place of `target`, unless `isStillWanted` says no when all is ready.
 * @param mode the user's alone (0600) where it is not given
 * @returns false where nothing was replaced
 * @throws as the file system has it; nothing is changed then
 */
export function replaceFile(
  target: string,
  text: string,
  { mode = PRIVATE_MODE, isStillWanted }: { mode?: number; isStillWanted?: () => boolean } = {},
): boolean {
  const nonce = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const partial = join(dirname(target), `.${basename(target)}.${nonce}.tmp`);
  try {
    const descriptor = openSync(partial, 'wx', PRIVATE_MODE);
    try {
      keepOwner(descriptor, target);
      // A umask may have taken bits away that we need.
      fchmodSync(descriptor, mode);
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (isStillWanted?.() === false) return false;
    renameSync(partial, target);
  } catch (error) {
    // Another writer, of a world with other process ids (a container), took ours for a leftover.
    if (codeOf(error) === 'ENOENT' && lstatSync(dirname(target), { throwIfNoEntry: false }) !== undefined) return false;
    throw error;
  } finally {
    rmSync(partial, { force: true });
  }
  syncDirectory(dirname(target));
  removeLeftovers(target);
  return true;
}

/** With sudo the file stays that of its user, who could not read it otherwise. */
function keepOwner(descriptor: number, target: string): void {
  if (process.getuid?.() !== 0) return;
  const owner = statSync(target, { throwIfNoEntry: false }) ?? statSync(dirname(target));
  if (owner.uid !== 0) fchownSync(descriptor, owner.uid, owner.gid);
}

/** The file itself, at the end of symbolic links; it may not exist yet. @throws as the file system has it */
export function targetOf(file: string): string {
  let current = file;
  for (let links = 0; links < SYMLINKS_MAX; links += 1) {
    if (lstatSync(current, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return current;
    current = resolve(realpathSync(dirname(current)), readlinkSync(current));
  }
  throw Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' });
}

/** Makes a new name durable. Windows cannot sync a directory, nor can some network file systems (EINVAL). */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  let descriptor: number;
  try {
    descriptor = openSync(directory, 'r');
  } catch (error) {
    // A directory that we may pass through and write to, but not read, cannot be synced by us.
    if (codeOf(error) === 'EACCES') return;
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } catch (error) {
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Files that a killed writer left beside `target`; they may hold a key. */
function removeLeftovers(target: string): void {
  const prefix = `.${basename(target)}.`;
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^(\d{1,10})-[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length))?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(dirname(target), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
