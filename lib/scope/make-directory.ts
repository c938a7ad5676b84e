/**
 * Makes a directory with all those above it that are missing. Node's own way of doing so asks for ever where a directory
 * that is there says of everything in it that it does not exist, as /proc does; here that is a failure, at once.
 */
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../core/errors.ts';

/**
 * @param mode of every directory that is made
 * @returns the topmost directory that was made, undefined where there was nothing to make
 * @throws SmError `no_permission` where no directory can be made there; any other failure as the file system has it
 */
export function makeDirectory(directory: string, mode: number): string | undefined {
  const missing = missingOf(path.resolve(directory));
  for (const each of missing) makeOne(each, mode);
  return missing[0];
}

/**
 * Whether `makeDirectory` would do: makes a directory where the first one would be, and takes it away again.
 * @throws as `makeDirectory`
 */
export function checkCanMake(directory: string): void {
  const [first] = missingOf(path.resolve(directory));
  if (first === undefined) return;
  if (fs.lstatSync(first, { throwIfNoEntry: false }) !== undefined) {
    throw Object.assign(new Error(`${first} is a link that leads nowhere`), { code: 'EEXIST' });
  }
  const beside = path.join(path.dirname(first), `.${path.basename(first)}.${process.pid}.check`);
  makeOne(beside, 0o700, first);
  fs.rmdirSync(beside);
}

/** The directories that are missing, from the top down. */
function missingOf(directory: string): string[] {
  const missing: string[] = [];
  for (let current = directory; !exists(current); current = path.dirname(current)) {
    missing.unshift(current);
    if (current === path.dirname(current)) break;
  }
  return missing;
}

/** @param named what a failure is about */
function makeOne(directory: string, mode: number, named = directory): void {
  try {
    fs.mkdirSync(directory, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return; // Others make it, too.
    if (code !== 'ENOENT') throw error;
    throw new SmError({
      code: 'no_permission',
      message: `${named} cannot be made: ${path.dirname(named)} cannot hold directories.`,
      hint: 'Point STACKMEMORY_HOME at a directory of your own, on a disk.',
      details: { directory: named },
      cause: error,
    });
  }
}

/** A path that leads through a file has nothing at its end; making it fails then with what is in the way. */
function exists(place: string): boolean {
  return fs.statSync(place, { throwIfNoEntry: false }) !== undefined;
}
