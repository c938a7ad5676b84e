/**
 * A brain that this very process owns: its directory locked, its database open in a worker thread. What the host
 * serves to others, and what a script that asks for no host uses itself.
 */
import type { AnswerOf, Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { BrainEngine, type EngineOptions } from './engine.ts';
import { type HeldLock, readLockHolder, tryTakeLock } from './lock.ts';
import { ensurePrivateDirectory, placesOf } from './places.ts';

const LOCK_POLL_INTERVAL_MS = 20;

/** Takes the brain's lock, waiting at most `waitMs`. @throws SmError `store_locked` that names the holder */
export async function takeBrainLock(
  brainDirectory: string,
  kind: 'host' | 'process',
  waitMs: number,
): Promise<HeldLock> {
  ensurePrivateDirectory(brainDirectory);
  const { lockFile } = placesOf(brainDirectory);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const lock = tryTakeLock(lockFile, { pid: process.pid, kind });
    if (lock !== undefined) return lock;
    if (performance.now() >= deadline) break;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_INTERVAL_MS));
  }
  const holder = readLockHolder(lockFile);
  throw new SmError({
    code: 'store_locked',
    message: `The brain is in use by ${holder?.kind === 'host' ? 'its host' : 'another process'}${holder === undefined ? '' : ` (pid ${holder.pid})`}.`,
    hint:
      holder?.kind === 'host'
        ? 'Leave SM_NO_HOST and --no-host out to go through the host, or end it with "sm host stop".'
        : 'Wait until that process has ended, or end it.',
  });
}

/** Opens a brain in this process under its lock. @throws SmError */
export async function openOwnedBrain(options: EngineOptions & { lockWaitMs: number }): Promise<Brain> {
  const lock = await takeBrainLock(options.brainDirectory, 'process', options.lockWaitMs);
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

  constructor(engine: BrainEngine, lock: HeldLock) {
    this.#engine = engine;
    this.#lock = lock;
  }

  run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    return this.#engine.run(operation, request);
  }

  async close(): Promise<void> {
    try {
      await this.#engine.close();
    } finally {
      this.#lock.release();
    }
  }
}
