/**
 * A brain that this very process owns: its directory locked, its database open in a worker thread. What the host
 * serves to others, and what a script that asks for no host uses itself.
 */
import type { AnswerOf, Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { BrainEngine, type EngineOptions } from './engine.ts';
import { type HeldLock, type LockHolder, readLockHolder, tryTakeLock } from './lock.ts';
import { ensurePrivateDirectory, placesOf } from './places.ts';
import { brainClosed, isDatabaseRestart, repeatWhileLost } from './repetition.ts';

const LOCK_POLL_INTERVAL_MS = 20;
/** A host keeps its lock for long; another script soon lets go. */
const IN_PROCESS_PATIENCE_MS = { process: 10_000, starter: 0 };

/** How long to wait for the lock, by who holds it, in milliseconds. */
export type LockPatience = Record<LockHolder['kind'], number>;

/**
 * Takes the brain's lock, waiting for its present holder.
 * @param isVain asked about the holder again and again; true ends the waiting
 * @throws SmError `store_locked` that names the holder
 */
export async function takeBrainLock(
  brainDirectory: string,
  kind: LockHolder['kind'],
  patienceMs: LockPatience,
  isVain: (holder: LockHolder) => boolean = () => false,
): Promise<HeldLock> {
  ensurePrivateDirectory(brainDirectory);
  const { lockFile } = placesOf(brainDirectory);
  const started = performance.now();
  for (;;) {
    const lock = tryTakeLock(lockFile, { pid: process.pid, kind });
    if (lock !== undefined) return lock;
    const holder = readLockHolder(lockFile);
    const isTooLong = performance.now() - started >= patienceMs[holder?.kind ?? 'process'];
    if ((holder !== undefined && isVain(holder)) || isTooLong) throw locked(holder);
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_INTERVAL_MS));
  }
}

function locked(holder: LockHolder | undefined): SmError {
  const isHost = holder?.kind === 'host';
  return new SmError({
    code: 'store_locked',
    message: `The brain is in use by ${isHost ? 'its host' : 'another process'}${holder === undefined ? '' : ` (pid ${holder.pid})`}.`,
    hint: isHost
      ? 'Leave SM_NO_HOST and --no-host out to go through the host, or end it with "sm host stop".'
      : 'Wait until that process has ended, or end it.',
  });
}

/**
 * Opens a brain in this process under its lock.
 * @param hostPatienceMs how long a host that has the lock is waited for
 * @throws SmError
 */
export async function openOwnedBrain(options: EngineOptions, hostPatienceMs = 0): Promise<Brain> {
  const patienceMs = { ...IN_PROCESS_PATIENCE_MS, host: hostPatienceMs };
  const lock = await takeBrainLock(options.brainDirectory, 'process', patienceMs);
  const engine = new BrainEngine(options);
  try {
    await engine.open();
  } catch (error) {
    lock.release();
    throw error;
  }
  return new OwnedBrain(engine, lock);
}

class OwnedBrain implements Brain {
  readonly #engine: BrainEngine;
  readonly #lock: HeldLock;
  #isClosed = false;

  constructor(engine: BrainEngine, lock: HeldLock) {
    this.#engine = engine;
    this.#lock = lock;
  }

  run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    return repeatWhileLost(
      () => (this.#isClosed ? Promise.reject(brainClosed()) : this.#engine.run(operation, request)),
      isDatabaseRestart,
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#engine.close();
    } finally {
      this.#lock.release();
    }
  }
}
