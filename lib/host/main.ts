/**
 * The host process: owns one brain directory, serves it on a socket, and ends by itself: when nobody has been there
 * for a while, when asked, when a newer version takes over, or when its directory is gone. Started by client.ts:
 * `node host.js <brain directory> <idle milliseconds>`. Tells its starter how it went by one line on descriptor 3.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { toSmError } from '../core/errors.ts';
import { version } from '../core/version.ts';
import { explainFileError } from '../store/file-errors.ts';
import { BrainEngine } from './engine.ts';
import { HOST_READY_DESCRIPTOR, type HostStartReport } from './host-process.ts';
import { createLog } from './log-file.ts';
import { type LockPatience, takeBrainLock } from './owned-brain.ts';
import type { HeldLock, LockHolder } from './lock.ts';
import { createSocketPath, type HostInfo, lockIdOf, placesOf, readHostInfo, writeHostInfo } from './places.ts';
import { Keepers } from './keepers.ts';
import { HostServer } from './server.ts';

/** The host before may still be finishing and closing when its successor starts. */
const LOCK_PATIENCE_MS: LockPatience = { host: 60_000, process: 10_000, starter: 0 };
const TICK_INTERVAL_MS = 1_000;
const DRAIN_MAX_MS = 30_000;
const DRAIN_POLL_MS = 10;

const [brainDirectory = '', idleMs = ''] = process.argv.slice(2);
const places = placesOf(brainDirectory);
const log = createLog(places.logFile, Date.now);
const startedAt = Date.now();

process.title = 'stackmemory-host';
process.umask(0o077);
process.on('SIGHUP', () => undefined); // The terminal of whoever started the host first is no reason to end.
process.on('uncaughtException', (error) => {
  log(`bug: ${error.stack ?? error.message}`);
  process.exit(1);
});

let isNeedless = false;
try {
  await serve();
} catch (error) {
  log(`did not start: ${(error as Error).message}`);
  report(isNeedless ? { listening: true } : { error: toSmError(error).toJSON() });
  process.exit(isNeedless ? 0 : toSmError(error).exitCode); // A socket that is open already must not keep it alive.
}

async function serve(): Promise<void> {
  const lock = await takeBrainLock(brainDirectory, 'host', LOCK_PATIENCE_MS, (holder) => {
    isNeedless = isServed(holder); // Noted here: a host that makes room in the next moment takes its announcement along.
    return isNeedless;
  });
  process.chdir(brainDirectory); // Hold no other directory, so that it can be unmounted or removed.
  const pulse = new Int32Array(new SharedArrayBuffer(4));
  const engine = new BrainEngine({ brainDirectory, pulse, onEvent: log });
  const secret = randomBytes(24).toString('hex');
  const socket = createSocketPath(brainDirectory, randomBytes(12).toString('hex'));
  const keepers = new Keepers({ brainDirectory, engine, version, onEvent: log });
  let stopping: string | undefined;
  const server: HostServer = new HostServer({
    // PGlite opens files by their path: once another directory is there, not one more request may be served.
    run: async (operation, request) => {
      endIfDisplaced(lock);
      const answer = await engine.run(operation, await keepers.prepare(operation, request));
      keepers.noteOperation(operation);
      return answer;
    },
    version,
    secret,
    describe: () => ({
      pid: process.pid,
      version,
      startedAt,
      socket,
      rssBytes: process.memoryUsage.rss(),
      clients: server.connectionCount - 1,
      requests: server.requests,
      idleMs: Number(idleMs),
      storeRestarts: engine.restarts,
      embeddings: keepers.embeddingFigures() ?? null,
    }),
    onStop: (reason) => void stop(reason),
  });

  const stop = async (reason: string): Promise<void> => {
    if (stopping !== undefined) return;
    stopping = reason;
    log(`ending: ${reason}`);
    setTimeout(() => process.exit(1), DRAIN_MAX_MS * 2).unref();
    if (lock.isInPlace()) fs.rmSync(places.hostInfoFile, { force: true });
    server.stopAccepting();
    const deadline = performance.now() + DRAIN_MAX_MS;
    while (server.isBusy && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    await keepers.stop();
    await engine.close();
    server.closeConnections();
    lock.release();
    log('ended');
    process.exit(0);
  };

  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
  if (process.platform !== 'win32') removeSocket(socket);
  await server.listen(socket);
  const info: HostInfo = { pid: process.pid, version, socket, secret, startedAt, lockId: lockIdOf(places) ?? '' };
  writeHostInfo(places, info);
  log(`listening, version ${version}`);
  setInterval(() => {
    Atomics.add(pulse, 0, 1);
    endIfDisplaced(lock);
    if (stopping === undefined) stayReachable(info, (reason) => void stop(reason));
    if (stopping === undefined) keepers.check();
    if (server.connectionCount === 0 && performance.now() - server.lastActiveMs >= Number(idleMs)) void stop('idle');
  }, TICK_INTERVAL_MS);
  report({ listening: true });
  try {
    await engine.open();
    keepers.check();
  } catch (error) {
    await stop(`the brain does not open: ${(error as Error).message}`); // Those who wait are told why first.
  }
}

/** What a host before has left behind is ours to remove: we hold the lock. */
function removeSocket(socket: string): void {
  try {
    fs.rmSync(socket, { force: true });
  } catch (error) {
    throw explainFileError(error, socket);
  }
}

/** A directory that was removed, moved or replaced takes its host along. */
function endIfDisplaced(lock: HeldLock): void {
  if (lock.isInPlace()) return;
  log('ending: the brain directory is gone');
  process.exit(0);
}

/** Whether the lock is held by a host that has announced itself: then another one is not needed. */
function isServed(holder: LockHolder): boolean {
  return holder.kind === 'host' && holder.pid !== process.pid && readHostInfo(places)?.pid === holder.pid;
}

/** A host that nobody can find would lock everybody out: it announces itself again, or ends. */
function stayReachable(info: HostInfo, stop: (reason: string) => void): void {
  if (process.platform !== 'win32' && !fs.existsSync(info.socket)) {
    stop('its socket is gone');
    return;
  }
  try {
    if (readHostInfo(places)?.secret !== info.secret) writeHostInfo(places, info);
  } catch (error) {
    log(`cannot announce itself: ${(error as Error).message}`); // A full disk, perhaps; the next tick tries again.
  }
}

/** One line of JSON for the process that started this one, if it is still listening. */
function report(message: HostStartReport): void {
  try {
    fs.writeSync(HOST_READY_DESCRIPTOR, `${JSON.stringify(message)}\n`);
    fs.closeSync(HOST_READY_DESCRIPTOR);
  } catch {
    // Started by hand, or the starter is gone: the log has it.
  }
}
