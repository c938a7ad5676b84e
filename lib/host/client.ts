/**
 * How every command reaches a brain: over the socket of its host, which is started where there is none. Owns finding,
 * starting and handing over, and the repetition of a request whose answer was lost (every request may be repeated).
 * Imports nothing heavy: a command has about 20 ms.
 */
import path from 'node:path';
import type { AnswerOf, Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { compareVersions } from '../core/version.ts';
import { ConnectionLost, HostConnection, SILENCE_MS_MAX } from './connection.ts';
import { brainClosed, isDatabaseRestart, repeatWhileLost } from './repetition.ts';
import { ensurePrivateDirectory, type HostInfo, placesOf, readHostInfo } from './places.ts';

/** How long finding, starting or replacing a host may take. Creation and crash recovery happen after it. */
const CONNECT_DEADLINE_MS = 120_000;
/** One that could not start ends in a moment. */
const FAILED_HOST_PATIENCE_MS = 10_000;
const CONNECT_POLL_MS_MIN = 4;
const CONNECT_POLL_MS_MAX = 64;

export interface ConnectOptions {
  brainDirectory: string;
  clientVersion: string;
  /** Opens the directory in this process, under the same lock, instead of going through the host. */
  inProcess: boolean;
  /** A host started by this call ends after so long without a client. */
  hostIdleMs?: number;
  /** How long a host may say nothing while it is asked something. */
  silenceMsMax?: number;
  /** Told, in a word or two, what takes time. */
  onProgress?: (message: string) => void;
}

/** Opens a brain. @throws SmError */
export async function connectBrain(options: ConnectOptions): Promise<Brain> {
  // The host works elsewhere: a path that is relative here would be another one there.
  const brainDirectory = path.resolve(options.brainDirectory);
  if (options.inProcess) {
    const { openOwnedBrain } = await import('./owned-brain.ts');
    return openOwnedBrain({ brainDirectory });
  }
  const brain = new HostedBrain({ ...options, brainDirectory });
  try {
    await brain.connect();
    return brain;
  } catch (error) {
    // A host that cannot even say where it is: what can be read is read here.
    if (!(error instanceof SmError) || error.code !== 'disk_full') throw error;
    const { openOwnedBrain } = await import('./owned-brain.ts');
    return openOwnedBrain({ brainDirectory }, FAILED_HOST_PATIENCE_MS);
  }
}

class HostedBrain implements Brain {
  readonly #options: ConnectOptions;
  #connection: Promise<HostConnection> | undefined;
  #isClosed = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  connect(): Promise<HostConnection> {
    if (this.#isClosed) return Promise.reject(brainClosed());
    this.#connection ??= reachHost(this.#options);
    return this.#connection;
  }

  async run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    try {
      return await repeatWhileLost(() => this.#ask(operation, request), isLost);
    } catch (error) {
      throw explainLoss(error);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connecting = this.#connection;
    this.#connection = undefined;
    const connection = await connecting?.catch(() => undefined);
    connection?.close();
  }

  async #ask<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    const connecting = this.connect();
    try {
      const connection = await connecting;
      return (await connection.ask({ type: 'run', operation, request })) as AnswerOf<O>;
    } catch (error) {
      await this.#dropIfBroken(connecting);
      throw error;
    }
  }

  async #dropIfBroken(connecting: Promise<HostConnection>): Promise<void> {
    const connection = await connecting.catch(() => undefined);
    if (this.#connection === connecting && connection?.isOpen !== true) this.#connection = undefined;
  }
}

/** A connection to a host of this version or a compatible newer one; starts and replaces hosts as needed. */
async function reachHost(options: ConnectOptions): Promise<HostConnection> {
  const places = placesOf(options.brainDirectory);
  const deadline = performance.now() + CONNECT_DEADLINE_MS;
  let pollMs = CONNECT_POLL_MS_MIN;
  let starter: typeof import('./start.ts') | undefined;
  while (performance.now() < deadline) {
    const info = readHostInfo(places);
    const reached = info === undefined ? 'nobody' : await dial(info, options);
    if (typeof reached === 'object') return reached;
    if (reached === 'nobody') {
      ensurePrivateDirectory(options.brainDirectory);
      starter ??= await import('./start.ts');
      if (await starter.startHostOnce(places, info, options)) continue;
    }
    await delay(pollMs);
    pollMs = Math.min(pollMs * 2, CONNECT_POLL_MS_MAX);
  }
  throw new SmError({
    code: 'host_failed',
    message: `The brain host could not be reached within ${CONNECT_DEADLINE_MS / 1000} s.`,
    hint: '"sm doctor" and "sm host logs" tell more.',
  });
}

/**
 * Tries the address that a host has left.
 * @returns the connection; `nobody` where no host is there any more, or one has just made room; `busy` where one may be
 */
async function dial(info: HostInfo, options: ConnectOptions): Promise<HostConnection | 'nobody' | 'busy'> {
  try {
    const opened = await HostConnection.open(info, options.clientVersion, options.silenceMsMax ?? SILENCE_MS_MAX);
    if (opened === undefined) return 'nobody';
    const { connection, greeting } = opened;
    const isOlder = compareVersions(greeting.version, options.clientVersion) < 0;
    if (greeting.type === 'welcome' && !isOlder) return connection;
    if (isOlder) {
      options.onProgress?.(`Replacing the brain host of version ${greeting.version} …`);
      await connection.handOver();
      return 'nobody';
    }
    connection.close();
    if (greeting.type === 'refused' && greeting.reason === 'wire')
      throw upgradeNeeded(greeting.version, options.clientVersion);
    // Another secret: the file was replaced since it was read, or the address is another brain's by now.
    return 'nobody';
  } catch (error) {
    if (error instanceof ConnectionLost) return 'busy';
    throw error;
  }
}

function isLost(error: unknown): boolean {
  return error instanceof ConnectionLost || isDatabaseRestart(error);
}

function explainLoss(error: unknown): unknown {
  if (!(error instanceof ConnectionLost)) return error;
  return new SmError({
    code: 'host_failed',
    message: `The connection to the brain host was lost again and again (${error.message}).`,
    hint: 'Whether the last write took effect is not known; repeating the command is safe. "sm host logs" tells more.',
    cause: error,
  });
}

function upgradeNeeded(hostVersion: string, clientVersion: string): SmError {
  return new SmError({
    code: 'upgrade_needed',
    message: `The brain is served by version ${hostVersion}, which this older command (${clientVersion}) cannot talk to.`,
    hint: 'Upgrade with "npm install -g stackmemory@latest".',
  });
}

function delay(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
