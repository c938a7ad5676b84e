/**
 * Examines a brain and says what to do. Reads everything there is, leaves all as it was unless asked to rebuild, and keeps
 * going after a bad finding: the next check may explain it.
 */
import fs from 'node:fs';
import type { Brain } from '../brain/contract.ts';
import { counted } from '../core/counted.ts';
import { SmError, toSmError } from '../core/errors.ts';
import { DISK_RESERVE_BYTES } from '../core/limits.ts';
import { checkCanMake } from '../scope/make-directory.ts';
import { explainFileError } from '../store/file-errors.ts';
import { connectBrain } from './client.ts';
import { hostStatus } from './control.ts';
import { readLockHolder, tryTakeLock } from './lock.ts';
import { placesOf } from './places.ts';

export interface Finding {
  check: string;
  status: 'ok' | 'warning' | 'error';
  message: string;
  remedy?: string;
}

export interface InspectOptions {
  brainDirectory: string;
  clientVersion: string;
  /** Makes the entries anew from the log before they are checked. */
  rebuild?: boolean;
}

const MEBIBYTE = 1024 * 1024;
const DISK_COMFORT_BYTES = 512 * MEBIBYTE;

/** Named outright: the names are part of the contract, and a function's own name does not outlive the build. */
const CHECKS: readonly [check: string, inspect: (directory: string) => Finding | Promise<Finding>][] = [
  ['directory', inspectDirectory],
  ['disk', inspectDisk],
  ['owner', inspectOwner],
];

/** Every finding about the brain, in the order in which they build on each other. */
export async function inspectBrain(options: InspectOptions): Promise<Finding[]> {
  const findings = [inspectNode(options.clientVersion)];
  if (!fs.existsSync(options.brainDirectory)) {
    findings.push(await guarded('directory', () => inspectAbsent(options.brainDirectory)));
    return findings;
  }
  for (const [check, inspect] of CHECKS) findings.push(await guarded(check, () => inspect(options.brainDirectory)));
  findings.push(...(await inspectContents(options)));
  return findings;
}

function inspectNode(clientVersion: string): Finding {
  return { check: 'versions', status: 'ok', message: `stackmemory ${clientVersion}, Node ${process.versions.node}` };
}

/** @throws SmError where it could not be made */
function inspectAbsent(directory: string): Finding {
  try {
    checkCanMake(directory);
  } catch (error) {
    throw explainFileError(error, directory);
  }
  const message = `${directory} does not exist yet; the first "sm brain record" makes it.`;
  return { check: 'directory', status: 'ok', message };
}

function inspectDirectory(directory: string): Finding {
  const check = 'directory';
  const stat = fs.statSync(directory);
  if (!stat.isDirectory()) {
    return { check, status: 'error', message: `${directory} is not a directory.`, remedy: 'Move it away.' };
  }
  const isPrivate = process.platform === 'win32' || (stat.mode & 0o077) === 0;
  const isOwn = process.getuid === undefined || stat.uid === process.getuid();
  if (!isOwn) {
    return {
      check,
      status: 'error',
      message: `${directory} belongs to uid ${stat.uid}, not to you (uid ${process.getuid?.()}).`,
      remedy: 'Run as its owner, or point STACKMEMORY_HOME at a directory of your own.',
    };
  }
  if (isPrivate) return { check, status: 'ok', message: `${directory}, readable by you alone` };
  return {
    check,
    status: 'warning',
    message: `Others on this machine can read ${directory}.`,
    remedy: `chmod 700 ${directory}`,
  };
}

function inspectDisk(directory: string): Finding {
  const disk = fs.statfsSync(directory);
  const freeBytes = disk.bavail * disk.bsize;
  const message = `${Math.floor(freeBytes / MEBIBYTE)} MiB free`;
  if (freeBytes < DISK_RESERVE_BYTES) {
    const remedy = `Below ${DISK_RESERVE_BYTES / MEBIBYTE} MiB nothing is written: make room.`;
    return { check: 'disk', status: 'error', message, remedy };
  }
  if (freeBytes < DISK_COMFORT_BYTES)
    return { check: 'disk', status: 'warning', message, remedy: 'Free some space soon.' };
  return { check: 'disk', status: 'ok', message };
}

async function inspectOwner(directory: string): Promise<Finding> {
  const check = 'owner';
  const places = placesOf(directory);
  const status = await hostStatus({ brainDirectory: directory });
  if (status.running) {
    return {
      check,
      status: 'ok',
      message: `host of version ${status.version}, pid ${status.pid}, ${counted(status.requests, 'request')} served`,
    };
  }
  const lock = tryTakeLock(places.lockFile, { pid: process.pid, kind: 'process' });
  lock?.release();
  if (lock !== undefined) return { check, status: 'ok', message: 'no host is running; the next command starts one' };
  const holder = readLockHolder(places.lockFile);
  return {
    check,
    status: 'error',
    message: `The brain is locked by process ${holder?.pid ?? 'unknown'}, which is not a host that answers.`,
    remedy: 'Wait until it has ended, or end it; nothing acknowledged is lost by that.',
  };
}

/** Opening proves that commits reach the disk; verification reads every change and every entry. */
async function inspectContents(options: InspectOptions): Promise<Finding[]> {
  let brain: Brain | undefined;
  try {
    brain = await connectBrain({ ...options, inProcess: false });
    const findings: Finding[] = [
      { check: 'durability', status: 'ok', message: 'commits are synced to disk (proven at opening)' },
    ];
    if (options.rebuild === true) findings.push(await rebuild(brain));
    findings.push(...(await verify(brain)), await inspectClock(brain));
    return findings;
  } catch (error) {
    return [failure('contents', error)];
  } finally {
    await brain?.close();
  }
}

async function rebuild(brain: Brain): Promise<Finding> {
  const { entries, repaired } = await brain.run('rebuild', {});
  const message = `${counted(entries, 'entry', 'entries')} rebuilt from the log, ${repaired === 0 ? 'all as they were' : `${repaired} repaired`}`;
  return { check: 'rebuild', status: 'ok', message };
}

async function verify(brain: Brain): Promise<Finding[]> {
  const report = await brain.run('verify', {});
  if (report.isSound) {
    const message = `${counted(report.changes, 'change')} and ${counted(report.entries, 'entry', 'entries')} agree; hashes, tables and indexes are sound`;
    return [{ check: 'log', status: 'ok', message }];
  }
  const findings: Finding[] = [];
  if (report.mismatches.length > 0) {
    findings.push({
      check: 'log',
      status: 'error',
      message: `Entries are not as the log says: ${report.mismatches.join(', ')}`,
      remedy: 'sm doctor --rebuild',
    });
  }
  if (report.indexErrors.length > 0) {
    findings.push({
      check: 'index',
      status: 'error',
      message: `Recall's index is not as the entries say: ${report.indexErrors.join('; ')}`,
      remedy: 'sm doctor --rebuild',
    });
  }
  const damage = [...report.badHashes.map((id) => `change ${id} does not have its hash`), ...report.structureErrors];
  if (damage.length > 0) {
    findings.push({
      check: 'structure',
      status: 'error',
      message: damage.join('; '),
      remedy:
        'Keep a copy of the brain directory, then "sm brain export", move the directory aside and "sm brain import".',
    });
  }
  return findings;
}

async function inspectClock(brain: Brain): Promise<Finding> {
  const status = await brain.run('status', { scope: { workspaceId: '', projectId: '' } });
  if (status.clockRegressionMs === 0)
    return { check: 'clock', status: 'ok', message: 'not behind anything written here' };
  return {
    check: 'clock',
    status: 'warning',
    message: `The clock is ${Math.round(status.clockRegressionMs / 1000)} s behind the newest entry written here.`,
    remedy: 'Set the clock (NTP). Edits still win over what they edit; times shown may look odd.',
  };
}

async function guarded(check: string, inspect: () => Finding | Promise<Finding>): Promise<Finding> {
  try {
    return await inspect();
  } catch (error) {
    return failure(check, error);
  }
}

function failure(check: string, error: unknown): Finding {
  const { message, hint } = error instanceof SmError ? error : toSmError(error);
  return { check, status: 'error', message, ...(hint === undefined ? {} : { remedy: hint }) };
}
