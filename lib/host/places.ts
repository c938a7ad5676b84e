/**
 * Where everything of a brain is: the files in its directory, and the socket. Owns the directory's privacy: it is made
 * 0700, and one that others can write to, or that is somebody else's, is refused.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SmError } from '../core/errors.ts';
import { makeDirectory } from '../scope/make-directory.ts';
import { explainFileError } from '../store/file-errors.ts';

/** Socket addresses hold 108 bytes on Linux and 104 on macOS, with a final NUL. */
const SOCKET_PATH_BYTES_MAX = 100;

export interface BrainPlaces {
  directory: string;
  /** Locked by the owner of the database, for as long as it lives. */
  lockFile: string;
  /** Locked by whoever is starting a host. */
  startLockFile: string;
  /** What a client needs to reach the host: HostInfo. */
  hostInfoFile: string;
  logFile: string;
}

/** What a running host tells those who may read its directory. */
export interface HostInfo {
  pid: number;
  version: string;
  socket: string;
  /** Shown in the hello; who can read this file is who may talk to the host. */
  secret: string;
  startedAt: number;
  /** Which lock the host holds: a directory that was copied has another, and must not lead to the original's host. */
  lockId: string;
}

export function placesOf(directory: string): BrainPlaces {
  return {
    directory,
    lockFile: path.join(directory, 'lock'),
    startLockFile: path.join(directory, 'start.lock'),
    hostInfoFile: path.join(directory, 'host.json'),
    logFile: path.join(directory, 'host.log'),
  };
}

/** Makes the brain's directory where it is missing, and checks that it is private. @throws SmError `no_permission` */
export function ensurePrivateDirectory(directory: string): void {
  try {
    const firstMade = makeDirectory(directory, 0o700);
    if (firstMade !== undefined) fsyncUpwards(directory, path.dirname(firstMade));
    const stat = fs.statSync(directory);
    if (!stat.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
    if (process.getuid === undefined) return;
    if (stat.uid !== process.getuid()) {
      throw new SmError({
        code: 'no_permission',
        message: `${directory} belongs to another user (uid ${stat.uid}); this one is uid ${process.getuid()}.`,
        hint: 'Run as that user, or point STACKMEMORY_HOME at a directory of your own.',
      });
    }
    if ((stat.mode & 0o077) !== 0) fs.chmodSync(directory, 0o700);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw explainFileError(error, directory);
  }
}

/** Makes the names of new directories survive a power cut, from `directory` up to `last`. */
function fsyncUpwards(directory: string, last: string): void {
  if (process.platform === 'win32') return;
  for (let current = directory; current.startsWith(last); current = path.dirname(current)) {
    if (current !== directory && !isAccessible(current, fs.constants.R_OK)) return; // One that we may only pass through cannot be synced.
    const descriptor = fs.openSync(current, 'r');
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    if (current === path.dirname(current)) return;
  }
}

/** A fresh address for a host's socket. The directory it is in is private. */
export function createSocketPath(directory: string, nonce: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\stackmemory-${nonce}`;
  const inside = path.join(directory, 'host.sock');
  if (isShortEnough(inside)) return inside;
  const name = `${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.sock`;
  return path.join(shortRuntimeDirectory(name), name);
}

/** A private directory whose path leaves room for `name`. @throws SmError `no_permission` */
function shortRuntimeDirectory(name: string): string {
  const own = `stackmemory-${process.getuid?.() ?? 'user'}`;
  const runtime = process.env['XDG_RUNTIME_DIR'];
  // A runtime directory that is not there, or is another user's (sudo keeps the variable), is passed over.
  const parents = [
    ...(runtime !== undefined && isAccessible(runtime, fs.constants.W_OK | fs.constants.X_OK) ? [runtime] : []),
    os.tmpdir(),
    '/tmp',
  ];
  const parent = parents.find((candidate) => isShortEnough(path.join(candidate, own, name))) ?? '/tmp';
  const directory = path.join(parent, own);
  if (fs.lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new SmError({
      code: 'no_permission',
      message: `${directory} is a symbolic link, so the host's socket cannot be kept private there.`,
      hint: 'Remove it, or choose a shorter STACKMEMORY_HOME.',
    });
  }
  ensurePrivateDirectory(directory);
  return directory;
}

function isShortEnough(socketPath: string): boolean {
  return Buffer.byteLength(socketPath) <= SOCKET_PATH_BYTES_MAX;
}

function isAccessible(directory: string, mode: number): boolean {
  try {
    fs.accessSync(directory, mode);
    return true;
  } catch {
    return false; // Missing or closed: one and the same to the caller.
  }
}

/** Written beside and renamed, so that a reader sees all of it or nothing. The writer holds the brain's lock. */
export function writeHostInfo(places: BrainPlaces, info: HostInfo): void {
  const partial = `${places.hostInfoFile}.new`;
  try {
    fs.writeFileSync(partial, JSON.stringify(info), { mode: 0o600 });
    fs.renameSync(partial, places.hostInfoFile);
  } catch (error) {
    if (fs.lstatSync(partial, { throwIfNoEntry: false })?.isFile() === true) fs.rmSync(partial, { force: true });
    throw explainFileError(error, places.directory);
  }
}

/** Identity of the lock file, or undefined where there is none. */
export function lockIdOf(places: BrainPlaces): string | undefined {
  const stat = fs.statSync(places.lockFile, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

/** The host's address, or undefined where no host of this directory has announced itself. It may have died since. */
export function readHostInfo(places: BrainPlaces): HostInfo | undefined {
  try {
    const info = JSON.parse(fs.readFileSync(places.hostInfoFile, 'utf8')) as Partial<HostInfo> | null;
    const isWhole = typeof info?.pid === 'number' && typeof info.socket === 'string' && typeof info.secret === 'string';
    return isWhole && info.lockId === lockIdOf(places) ? (info as HostInfo) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw explainFileError(error, places.hostInfoFile);
  }
}
