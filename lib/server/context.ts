/** What every part of the server's application is given: its store, its clock, its rules. Types and defaults only. */
import type { KeyRecord, ChangeStore } from './store.ts';
import type { RandomBytes } from './keys.ts';

/** Where structured log lines go; pino fits. */
export interface ServerLog {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}

export const SILENT_LOG: ServerLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** How much one may ask for. `none` in `ServerOptions.limits` turns all but the streams' off. */
export interface ServerLimits {
  keyRequestsPerMinute: number;
  addressRequestsPerMinute: number;
  /** Attempts at /v1/setup and /v1/setup/reset, by address. */
  setupsPerHour: number;
  /** Requests with a key that is none, by address. */
  failuresPerMinute: number;
  streamsPerKey: number;
  streamsMax: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  keyRequestsPerMinute: 1_200,
  addressRequestsPerMinute: 3_000,
  setupsPerHour: 30,
  failuresPerMinute: 30,
  streamsPerKey: 16,
  streamsMax: 10_000,
};

export interface ServerOptions {
  store: ChangeStore;
  /** The server's clock, milliseconds since the epoch. Default: the real one. */
  nowMs?: () => number;
  log?: ServerLog;
  limits?: Partial<ServerLimits> | 'none';
  /** Whether anybody may sign up, or the invited. Default: `invitation`. */
  signup?: 'open' | 'invitation';
  /** Whether an e-mail address alone yields a new key, as in offline development. Default: `key`. */
  reset?: 'open' | 'key';
  /** Opens the administration, resets and metrics. Without one, administration is shut. */
  adminToken?: string;
  /** Who may read /metrics: `loopback` (and the administrator), or anybody. Default: `loopback`. */
  metrics?: 'loopback' | 'open';
  /** Whether the address that a proxy tells of (the last of X-Forwarded-For) is believed. Default: false. */
  trustProxy?: boolean;
  randomBytes?: RandomBytes;
  /** Where brains of workspaces are kept for agents that ask at /mcp; without one, there is no such address. */
  replicaDirectory?: string;
  /** How long an agent's question waits for its workspace's brain to be up to date. Default: 20 s. */
  replicaPatienceMs?: number;
  /** Threads in which large pushes may be read (readers.ts). Default: none, and they are read in the server's own. */
  readerThreads?: number;
  /** Between two comments on a stream that has nothing to tell. Default: 15 s. */
  heartbeatMs?: number;
}

/** The options with their defaults filled in. */
export interface ServerContext extends Required<Omit<ServerOptions, 'adminToken' | 'limits' | 'replicaDirectory'>> {
  limits: ServerLimits | 'none';
  adminToken: string | undefined;
  replicaDirectory: string | undefined;
}

/** Who asks, once their key was found good. */
export type Caller = KeyRecord;
