/** What a person does to a host: look at it, end it. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { SmError } from '../core/errors.ts';
import { version } from '../core/version.ts';
import { explainFileError } from '../store/file-errors.ts';
import { ConnectionLost, HostConnection } from './connection.ts';
import { tryTakeLock } from './lock.ts';
import { placesOf, readHostInfo } from './places.ts';
import type { HostFigures } from './server.ts';

/** For looking and stopping, patience is shorter than for work. */
const SILENCE_MS_MAX = 5_000;
const STOP_DEADLINE_MS = 60_000;
const STOP_POLL_MS = 20;

export interface ControlOptions {
  brainDirectory: string;
  /** How long the host may say nothing. */
  silenceMsMax?: number;
}

export type HostStatus = { running: false } | ({ running: true } & HostFigures);

/** @throws SmError `host_unresponsive` where a host is there but does not answer */
export async function hostStatus(options: ControlOptions): Promise<HostStatus> {
  const answer = await ask(options, 'status');
  return answer === undefined ? { running: false } : { running: true, ...(answer as HostFigures) };
}

/**
 * Ends the host and waits until it has let go of the brain. With `force` one that does not answer is killed; what it
 * had acknowledged is safe.
 */
export async function stopHost(
  options: ControlOptions & { force?: boolean; timeoutMs?: number },
): Promise<{ stopped: boolean; pid?: number }> {
  const places = placesOf(options.brainDirectory);
  const info = readHostInfo(places);
  if (info === undefined) return { stopped: false };
  try {
    if ((await ask(options, 'stop')) === undefined) return { stopped: false };
  } catch (error) {
    if (!(error instanceof SmError && error.code === 'host_unresponsive' && options.force === true)) throw error;
    killHost(info.pid);
  }
  const deadline = performance.now() + (options.timeoutMs ?? STOP_DEADLINE_MS);
  while (performance.now() < deadline) {
    const lock = tryTakeLock(places.lockFile, { pid: process.pid, kind: 'process' });
    lock?.release();
    if (lock !== undefined) return { stopped: true, pid: info.pid };
    await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
  }
  throw new SmError({
    code: 'host_unresponsive',
    message: `The brain host (pid ${info.pid}) has not ended.`,
    hint: 'Use "sm host stop --force".',
  });
}

/** @throws SmError `store_foreign` where something else is in its place */
export function hostLogFile(brainDirectory: string): string {
  const { logFile } = placesOf(brainDirectory);
  if (fs.statSync(logFile, { throwIfNoEntry: false })?.isDirectory() !== true) return logFile;
  throw explainFileError(Object.assign(new Error('is a directory'), { code: 'EISDIR' }), logFile);
}

async function ask({ brainDirectory, silenceMsMax }: ControlOptions, type: 'status' | 'stop'): Promise<unknown> {
  const info = readHostInfo(placesOf(brainDirectory));
  if (info === undefined) return undefined;
  try {
    const opened = await HostConnection.open(info, version, silenceMsMax ?? SILENCE_MS_MAX);
    if (opened === undefined) return undefined;
    try {
      return await opened.connection.ask({ type });
    } finally {
      opened.connection.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return undefined;
    throw error;
  }
}

/** Kills `pid` if it is a brain host: the number may long belong to somebody else. */
function killHost(pid: number): void {
  if (!isHostProcess(pid)) {
    throw new SmError({
      code: 'host_failed',
      message: `Process ${pid} is not a brain host, so it was not ended.`,
      hint: '"sm doctor" shows who holds the brain.',
    });
  }
  process.kill(pid, 'SIGKILL');
}

function isHostProcess(pid: number): boolean {
  try {
    const command =
      process.platform === 'linux'
        ? fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return /stackmemory-host|host\.js/.test(command);
  } catch {
    return false; // No such process.
  }
}
