/**
 * Exclusive locks by the kernel. The kernel lets go of them when their process ends, however it ends; nothing here
 * guesses by age, heartbeat or process id. The only importer of fs-native-extensions.
 */
import fs from 'node:fs';
import { tryLock } from 'fs-native-extensions';
import { explainFileError } from '../store/file-errors.ts';

/** Who holds a lock, for messages only; it decides nothing. */
export interface LockHolder {
  pid: number;
  /** The host, a process that has the brain open itself, or one that is starting a host. */
  kind: 'host' | 'process' | 'starter';
}

export interface HeldLock {
  /** Whether the locked file is still the one at its path: false once the directory was removed or replaced. */
  isInPlace(): boolean;
  release(): void;
}

/** Takes the lock at once, or returns undefined where another holds it. The file is made, and never removed. */
export function tryTakeLock(file: string, holder: LockHolder): HeldLock | undefined {
  const descriptor = openLockFile(file);
  try {
    if (!tryLock(descriptor) || !isSameFile(descriptor, file)) {
      fs.closeSync(descriptor);
      return undefined;
    }
    noteHolder(descriptor, holder);
  } catch (error) {
    fs.closeSync(descriptor);
    throw explainFileError(error, file);
  }
  let isHeld = true;
  return {
    isInPlace: () => isSameFile(descriptor, file),
    release: () => {
      if (isHeld) fs.closeSync(descriptor);
      isHeld = false;
    },
  };
}

/** On a full disk the note stays out: the lock holds without it. */
function noteHolder(descriptor: number, holder: LockHolder): void {
  try {
    fs.ftruncateSync(descriptor);
    fs.writeSync(descriptor, JSON.stringify(holder), 0);
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** What the present or last holder wrote about itself. */
export function readLockHolder(file: string): LockHolder | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as LockHolder;
  } catch {
    return undefined; // Missing, or being written at this moment: it is for messages only.
  }
}

function openLockFile(file: string): number {
  try {
    return fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  } catch (error) {
    throw explainFileError(error, file);
  }
}

function isSameFile(descriptor: number, file: string): boolean {
  const held = fs.fstatSync(descriptor);
  const there = fs.statSync(file, { throwIfNoEntry: false });
  return there !== undefined && there.ino === held.ino && there.dev === held.dev;
}
