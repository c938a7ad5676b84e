/**
 * `sm serve` from its options to its end: opens the store, listens, waits for a signal, ends what is under way and closes
 * the store. Owns the files by which commands find a running embedded server: its address and the administrator's token.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import pino from 'pino';
import { SmError } from '../core/errors.ts';
import { ensurePrivateDirectory } from '../host/places.ts';
import { writePrivateFile } from '../host/private-file.ts';
import { takeSignals } from '../host/take-signals.ts';
import { explainFileError } from '../store/file-errors.ts';
import { createServerApp } from './app.ts';
import type { ServerLog } from './context.ts';
import { openEmbeddedServerStore } from './embedded-store.ts';
import { listen } from './listen.ts';
import { openPostgresServerStore } from './postgres-store.ts';
import { readerThreadsOf } from './readers.ts';
import type { ChangeStore } from './store.ts';

const CLOSE_PATIENCE_MS = 15_000;
const POISONED_EXIT_CODE = 7;
const STUCK_EXIT_CODE = 1;

export const LOG_LEVELS = ['error', 'warn', 'info', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ServeOptions {
  host: string;
  port: number;
  /** Where the embedded store is; unused with `databaseUrl`. */
  dataDirectory: string;
  databaseUrl?: string;
  signup: 'open' | 'invitation';
  trustProxy: boolean;
  logLevel: LogLevel;
  /** Whether agents may ask at /mcp. */
  mcp: boolean;
  /** Takes the place of the token in the data directory. */
  adminToken?: string;
}

/** What a running embedded server tells those who may read its directory. */
export interface ServerPlace {
  url: string;
  pid: number;
}

/**
 * Serves until a signal, and resolves with the exit code. Takes over the process's SIGINT and SIGTERM; a second one
 * ends at once.
 * @param onListening told once it answers
 */
export async function serve(
  options: ServeOptions,
  onListening: (place: { url: string; store: ChangeStore['kind'] }) => Promise<void>,
): Promise<number> {
  const log = createLog(options.logLevel);
  const ending = untilSignalled();
  const store = await openStore(options, log, ending.end);
  try {
    const adminToken = options.adminToken ?? (store.kind === 'embedded' ? keepToken(options.dataDirectory) : undefined);
    const app = createServerApp({
      store,
      log,
      signup: options.signup,
      trustProxy: options.trustProxy,
      readerThreads: readerThreadsOf(),
      ...(options.mcp ? { replicaDirectory: replicaDirectory(options, store.kind) } : {}),
      ...(adminToken === undefined ? {} : { adminToken }),
    });
    const server = await listen(app, options);
    const place: ServerPlace = { url: server.url, pid: process.pid };
    if (store.kind === 'embedded') writePrivateFile(placeFile(options.dataDirectory), `${JSON.stringify(place)}\n`);
    log.info({ url: server.url, store: store.kind, signup: options.signup }, 'listening');
    await onListening({ url: server.url, store: store.kind });
    const exitCode = await ending.ended;
    log.info({}, 'ending: no new requests, those under way are finished');
    await server.close();
    await app.close();
    return exitCode;
  } finally {
    await closeInTime(store, log);
  }
}

/** Servers that share a PostgreSQL each have their own: a brain has one owner. */
function replicaDirectory({ dataDirectory, port }: ServeOptions, kind: ChangeStore['kind']): string {
  return kind === 'embedded' ? path.join(dataDirectory, 'mcp') : path.join(dataDirectory, `mcp-${port}`);
}

function openStore(options: ServeOptions, log: ServerLog, end: (exitCode: number) => void): Promise<ChangeStore> {
  if (options.databaseUrl !== undefined) return openPostgresServerStore({ databaseUrl: options.databaseUrl, log });
  return openEmbeddedServerStore({
    dataDirectory: options.dataDirectory,
    onPoison: (error) => {
      log.error({ reason: error.message }, 'the database can no longer be trusted; the server ends');
      end(POISONED_EXIT_CODE);
    },
  });
}

function untilSignalled(): { ended: Promise<number>; end: (exitCode: number) => void } {
  let end: (exitCode: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => (end = resolve));
  let isEnding = false;
  // Those of a short command would end the process at once.
  takeSignals(['SIGINT', 'SIGTERM'], () => {
    if (isEnding) process.exit(STUCK_EXIT_CODE);
    isEnding = true;
    end(0);
  });
  return { ended, end };
}

async function closeInTime(store: ChangeStore, log: ServerLog): Promise<void> {
  const timer = setTimeout(() => {
    log.error({}, 'the store does not close; what was acknowledged is safe');
    process.exit(STUCK_EXIT_CODE);
  }, CLOSE_PATIENCE_MS);
  await store.close();
  clearTimeout(timer);
}

/** Lines of JSON on stderr. */
function createLog(level: LogLevel): ServerLog {
  const base = { service: 'stackmemory' };
  return pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
}

export function tokenFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'admin-token');
}

export function placeFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'server.json');
}

/** The administrator's token of this directory, made at first use. The caller holds the directory's lock. */
function keepToken(dataDirectory: string): string {
  const file = tokenFile(dataDirectory);
  try {
    ensurePrivateDirectory(dataDirectory);
    if (!fs.existsSync(file)) writePrivateFile(file, `${randomBytes(32).toString('hex')}\n`);
    return fs.readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw explainFileError(error, file);
  }
}

/** Where a running embedded server answers, with its token. @throws SmError `store_locked` where that cannot be told */
export function findRunningServer(dataDirectory: string): { url: string; adminToken: string } {
  try {
    const { url } = JSON.parse(fs.readFileSync(placeFile(dataDirectory), 'utf8')) as ServerPlace;
    return { url, adminToken: fs.readFileSync(tokenFile(dataDirectory), 'utf8').trim() };
  } catch (error) {
    throw new SmError({
      code: 'store_locked',
      message: `A process has the server's data in ${dataDirectory} open, but does not tell its address.`,
      hint: 'It may be starting or ending: try again in a moment.',
      cause: error,
    });
  }
}
