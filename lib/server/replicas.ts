/**
 * Brains of workspaces on the server itself, by which agents recall and record over the network: opened when somebody asks,
 * closed when nobody has for a while, a bounded number at once. They hold nothing that the server lacks, and may be removed at
 * any time while the server is down.
 */
import path from 'node:path';
import type { AnswerOf, Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { openOwnedBrain } from '../host/owned-brain.ts';
import { sha256Hex } from '../protocol/hash.ts';
import type { Caller, ServerContext } from './context.ts';
import { Replica } from './replica.ts';

/** Each takes some 150 MB and a thread. */
const REPLICAS_MAX = 8;
/** One that nobody asks for so long is closed. */
const IDLE_MS = 10 * 60_000;

export class Replicas {
  readonly #context: ServerContext;
  readonly #directory: string;
  readonly #replicas = new Map<string, Replica>();
  readonly #sweep: NodeJS.Timeout;
  #isClosed = false;

  /** @param directory in which each workspace has a directory of its own */
  constructor(context: ServerContext, directory: string) {
    this.#context = context;
    this.#directory = directory;
    this.#sweep = setInterval(() => void this.#closeIdle(), IDLE_MS / 10);
    this.#sweep.unref();
  }

  /** The brain of the caller's workspace. Closing it is not the caller's affair. */
  brainFor(caller: Caller): Brain {
    return {
      run: (operation, request) => this.#run(caller, operation, request),
      close: () => Promise.resolve(),
    };
  }

  /** Makes it ready for a question that will come, where nobody else has to go for it. */
  prepare(caller: Caller): void {
    const replica = this.#replicas.get(caller.workspaceId);
    if (replica === undefined && (this.#isClosed || this.#replicas.size >= REPLICAS_MAX)) return;
    (replica ?? this.#open(caller.workspaceId)).begin(caller);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    await Promise.all([...this.#replicas.keys()].map((workspaceId) => this.#close(workspaceId)));
  }

  async #run<O extends OperationName>(caller: Caller, operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    const { workspaceId } = caller;
    while (this.#replicas.size >= REPLICAS_MAX && !this.#replicas.has(workspaceId)) await this.#closeLeastUsed();
    if (this.#isClosed) throw ending();
    // In use at once: between the last wait and this nobody else comes.
    return (this.#replicas.get(workspaceId) ?? this.#open(workspaceId)).run(caller, operation, request);
  }

  #open(workspaceId: string): Replica {
    const { log, replicaPatienceMs } = this.#context;
    const brain = openOwnedBrain({
      brainDirectory: path.join(this.#directory, sha256Hex(workspaceId).slice(0, 32)),
      onEvent: (message) => log.info({ workspaceId }, `replica: ${message}`),
    });
    const replica = new Replica(this.#context, brain, replicaPatienceMs);
    // One that does not open is tried anew by the next who asks.
    brain.catch(() => this.#replicas.get(workspaceId) === replica && this.#replicas.delete(workspaceId));
    this.#replicas.set(workspaceId, replica);
    return replica;
  }

  async #closeIdle(): Promise<void> {
    const longAgo = performance.now() - IDLE_MS;
    for (const [workspaceId, { isInUse, lastUsedMs }] of this.#replicas) {
      if (!isInUse && lastUsedMs < longAgo) await this.#close(workspaceId);
    }
  }

  async #closeLeastUsed(): Promise<void> {
    const idle = [...this.#replicas].filter(([, { isInUse }]) => !isInUse);
    const [oldest] = idle.toSorted(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs);
    if (oldest !== undefined) return this.#close(oldest[0]);
    throw new SmError({
      code: 'rate_limited',
      message: `Agents of ${REPLICAS_MAX} workspaces are being served, which is the most at once.`,
      hint: 'Try again in a moment.',
      details: { retryAfterS: 1 },
    });
  }

  async #close(workspaceId: string): Promise<void> {
    const replica = this.#replicas.get(workspaceId);
    this.#replicas.delete(workspaceId);
    await replica?.close();
  }
}

function ending(): SmError {
  return new SmError({ code: 'unavailable', message: 'The server is ending.', hint: 'Try again in a moment.' });
}
