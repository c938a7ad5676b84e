/**
 * The data directory on disk: what it is, and how a new one comes to be. Creation is atomic (unpack beside it, sync,
 * rename, sync the parent), so that a kill at any moment leaves either nothing or a whole brain. Refuses, without
 * touching it, whatever is not a StackMemory brain of this format. The caller holds the brain's lock.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../core/errors.ts';
import { assetPath } from './assets.ts';
import { fsyncDirectory } from './durable-fs.ts';
import { explainFileError } from './file-errors.ts';
import { POSTGRES_MAJOR } from './pglite.ts';
import { unpackDurably } from './unpack.ts';

/** The version of the directory's layout. Raised when an older StackMemory could no longer read it. */
export const DATA_FORMAT = 1;

/** Marks a data directory as ours. It is inside the template, so that it appears together with everything else. */
export const MARKER_FILE = 'stackmemory.json';

const TEMPORARY_PREFIX = 'data.tmp-';

/** Files and directories without which there is no database, with the bytes they have at least. */
const INDISPENSABLE: [name: string, bytesMin: number][] = [
  ['PG_VERSION', 1],
  ['global/pg_control', 8_192],
  ['global/pg_filenode.map', 512],
  ['base', 0],
  ['pg_wal', 0],
  ['pg_xact', 0],
];

interface Marker {
  product: 'stackmemory';
  dataFormat: number;
  postgresMajor: number;
}

export function markerText(): string {
  const marker: Marker = { product: 'stackmemory', dataFormat: DATA_FORMAT, postgresMajor: POSTGRES_MAJOR };
  return `${JSON.stringify(marker)}\n`;
}

export function dataDirectoryOf(brainDirectory: string): string {
  return path.join(brainDirectory, 'data');
}

/** Makes the data directory where there is none, and checks the one that is there. @throws SmError */
export async function ensureDataDirectory(
  brainDirectory: string,
): Promise<{ dataDirectory: string; created: boolean }> {
  const dataDirectory = dataDirectoryOf(brainDirectory);
  refuseLink(dataDirectory);
  removeLeftovers(brainDirectory);
  if (!isAbsentOrEmpty(dataDirectory)) {
    checkDataDirectory(dataDirectory);
    return { dataDirectory, created: false };
  }
  await createDataDirectory(brainDirectory, dataDirectory);
  return { dataDirectory, created: true };
}

/** Whether there is anything at all in the data directory. */
export function isAbsentOrEmpty(dataDirectory: string): boolean {
  try {
    return fs.readdirSync(dataDirectory).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw explainFileError(error, dataDirectory);
  }
}

/**
 * Refuses a link in the place of the data directory. The lock is beside it and would not guard what it leads to, which
 * other links may lead to as well; and one that leads nowhere, to a disk that is not there, is no new brain.
 * @throws SmError `store_foreign`
 */
export function refuseLink(dataDirectory: string): void {
  if (fs.lstatSync(dataDirectory, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw new SmError({
    code: 'store_foreign',
    message: `${dataDirectory} is a symbolic link, which is in the way: the lock beside it does not guard what it leads to.`,
    hint: `Move what it leads to back into its place, and link or mount all of ${path.dirname(dataDirectory)} instead. Nothing was changed.`,
  });
}

/** Refuses a directory that this version must not open. Reads two small files and writes nothing. @throws SmError */
export function checkDataDirectory(dataDirectory: string): void {
  const marker = readMarker(dataDirectory);
  if (marker === undefined) throw foreign(dataDirectory);
  if (marker.dataFormat > DATA_FORMAT || marker.postgresMajor > POSTGRES_MAJOR) {
    throw new SmError({
      code: 'store_newer',
      message: `The brain in ${dataDirectory} was made by a newer version of StackMemory; it was left untouched.`,
      hint: 'Upgrade with "npm install -g stackmemory@latest", or point STACKMEMORY_HOME at another directory.',
    });
  }
  if (marker.postgresMajor < POSTGRES_MAJOR) {
    throw new SmError({
      code: 'store_older',
      message: `The brain in ${dataDirectory} is in the format of PostgreSQL ${marker.postgresMajor}; this version reads ${POSTGRES_MAJOR}.`,
      hint: 'With the version that wrote it run "sm brain export --output brain.jsonl", move the directory aside, then "sm brain import brain.jsonl".',
    });
  }
  const damage = findDamage(dataDirectory);
  if (damage === undefined) return;
  throw new SmError({
    code: 'store_damaged',
    message: `The brain in ${dataDirectory} is damaged: ${damage}.`,
    hint: 'Restore the brain directory from a backup, or move it aside and "sm brain import" an export. Nothing was changed.',
  });
}

/** Damage that shows without PostgreSQL, which would change files before it met it, or make them anew. */
function findDamage(dataDirectory: string): string | undefined {
  for (const [name, bytesMin] of INDISPENSABLE) {
    const stat = fs.statSync(path.join(dataDirectory, name), { throwIfNoEntry: false });
    if (stat === undefined) return `its ${name} is missing`;
    if (stat.size < bytesMin) return `its ${name} has only ${stat.size} bytes`;
  }
  const version = fs.readFileSync(path.join(dataDirectory, 'PG_VERSION'), 'utf8').trim();
  return version === String(POSTGRES_MAJOR) ? undefined : `its PG_VERSION is ${JSON.stringify(version.slice(0, 20))}`;
}

async function createDataDirectory(brainDirectory: string, dataDirectory: string): Promise<void> {
  const temporary = path.join(brainDirectory, TEMPORARY_PREFIX + randomBytes(6).toString('hex'));
  try {
    fs.mkdirSync(temporary, { mode: 0o700 });
    await unpackDurably(assetPath('template.tar.gz'), temporary);
    fs.renameSync(temporary, dataDirectory);
    fsyncDirectory(brainDirectory);
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw explainFileError(error, brainDirectory);
  }
}

/** What an interrupted creation left behind. The lock says that nobody is at work in it. */
function removeLeftovers(brainDirectory: string): void {
  for (const name of fs.readdirSync(brainDirectory)) {
    if (name.startsWith(TEMPORARY_PREFIX)) fs.rmSync(path.join(brainDirectory, name), { recursive: true, force: true });
  }
}

function readMarker(dataDirectory: string): Marker | undefined {
  try {
    const marker = JSON.parse(fs.readFileSync(path.join(dataDirectory, MARKER_FILE), 'utf8')) as Partial<Marker> | null;
    const isOurs =
      marker?.product === 'stackmemory' &&
      typeof marker.dataFormat === 'number' &&
      typeof marker.postgresMajor === 'number';
    return isOurs ? (marker as Marker) : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || error instanceof SyntaxError) return undefined;
    throw explainFileError(error, dataDirectory);
  }
}

function foreign(dataDirectory: string): SmError {
  return new SmError({
    code: 'store_foreign',
    message: `${dataDirectory} exists but is not a StackMemory brain; it was left untouched.`,
    hint: 'Move it away, or point STACKMEMORY_HOME at another directory.',
  });
}
