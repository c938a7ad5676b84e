/**
 * Brains of workspaces on the server itself, by which agents recall and record over the network. Each is a replica like
 * any other, of this server: it is brought up to date before it is read, and what is written to it is pushed before it is
 * acknowledged. It holds nothing that the server lacks, and may be removed at any time while the server is down.
 */
import path from 'node:path';
import { type AnswerOf, type Brain, isWrite, type OperationName, type RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { openOwnedBrain } from '../host/owned-brain.ts';
import { sha256Hex } from '../protocol/hash.ts';
import { syncOnce } from '../sync/sync-once.ts';
import type { Caller, ServerContext } from './context.ts';
import { localCalls } from './local-calls.ts';

/** The address under which a replica knows this server; it is not on any network. */
const ENDPOINT = 'http://server.invalid';
/** Each takes some 150 MB and a thread. */
const REPLICAS_MAX = 8;
/** One that nobody asks for so long is closed. */
const IDLE_MS = 10 * 60_000;

interface Replica {
  brain: Promise<Brain>;
  users: number;
  lastUsedMs: number;
  /** The workspace's cursor that the replica has reached at least; -1 before its first sync. */
  cursor: number;
  syncing: Promise<unknown>;
  /** A sync that begins after the one under way, for all who came since. */
  waiting: Promise<void> | undefined;
}

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

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    await Promise.all([...this.#replicas.keys()].map((workspaceId) => this.#close(workspaceId)));
  }

  async #run<O extends OperationName>(caller: Caller, operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    const replica = await this.#take(caller.workspaceId);
    try {
      const brain = await replica.brain;
      await this.#refresh(replica, brain, caller);
      const answer = await brain.run(operation, request);
      if (isWrite(operation)) {
        await this.#sync(replica, brain, caller).catch((error: unknown) => {
          throw keptHere(error);
        });
      }
      return answer;
    } finally {
      replica.users -= 1;
      replica.lastUsedMs = performance.now();
    }
  }

  /** The workspace's replica with one more user. Between the last wait and the count nobody else comes. */
  async #take(workspaceId: string): Promise<Replica> {
    while (this.#replicas.size >= REPLICAS_MAX && !this.#replicas.has(workspaceId)) await this.#closeLeastUsed();
    if (this.#isClosed) throw ending();
    const replica = this.#replicas.get(workspaceId) ?? this.#open(workspaceId);
    replica.users += 1;
    return replica;
  }

  #open(workspaceId: string): Replica {
    const { log } = this.#context;
    const replica: Replica = {
      brain: openOwnedBrain({
        brainDirectory: path.join(this.#directory, sha256Hex(workspaceId).slice(0, 32)),
        onEvent: (message) => log.info({ workspaceId }, `replica: ${message}`),
      }),
      users: 0,
      lastUsedMs: performance.now(),
      cursor: -1,
      syncing: Promise.resolve(),
      waiting: undefined,
    };
    // One that does not open is tried anew by the next who asks.
    replica.brain.catch(() => this.#replicas.get(workspaceId) === replica && this.#replicas.delete(workspaceId));
    this.#replicas.set(workspaceId, replica);
    return replica;
  }

  async #refresh(replica: Replica, brain: Brain, caller: Caller): Promise<void> {
    const cursor = await this.#context.store.lastCursor(caller.workspaceId);
    if (replica.cursor >= 0 && cursor === replica.cursor) return;
    await this.#sync(replica, brain, caller);
  }

  /** Pushes and pulls; whoever calls while one is under way waits for another, which sees what was written since. */
  #sync(replica: Replica, brain: Brain, caller: Caller): Promise<void> {
    replica.waiting ??= replica.syncing.then(() => {
      replica.waiting = undefined;
      const syncing = this.#syncNow(replica, brain, caller);
      replica.syncing = syncing.catch(() => undefined);
      return syncing;
    });
    return replica.waiting;
  }

  async #syncNow(replica: Replica, brain: Brain, caller: Caller): Promise<void> {
    const { store, nowMs } = this.#context;
    const cursor = await store.lastCursor(caller.workspaceId);
    const report = await syncOnce({
      brain,
      endpoint: ENDPOINT,
      apiKey: '',
      workspaceId: caller.workspaceId,
      projectId: caller.projectId,
      mode: 'both',
      nowMs,
      fetch: localCalls(this.#context, caller),
    });
    if (!report.success)
      throw new SmError({ code: 'unavailable', message: report.reason?.message ?? 'The sync failed.' });
    // Its own push has moved the cursor; that one more sync looks at nothing.
    replica.cursor = cursor;
  }

  async #closeIdle(): Promise<void> {
    const longAgo = performance.now() - IDLE_MS;
    for (const [workspaceId, { users, lastUsedMs }] of this.#replicas) {
      if (users === 0 && lastUsedMs < longAgo) await this.#close(workspaceId);
    }
  }

  async #closeLeastUsed(): Promise<void> {
    const idle = [...this.#replicas].filter(([, { users }]) => users === 0);
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
    const brain = await replica?.brain.catch(() => undefined);
    await brain?.close();
  }
}

/** Written, and not on the server proper yet: the next request of the workspace pushes it. */
function keptHere(cause: unknown): SmError {
  return new SmError({
    code: 'unavailable',
    message: `It is written and kept, but not shared yet: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'The next request shares it; do not record it again.',
    cause,
  });
}

function ending(): SmError {
  return new SmError({ code: 'unavailable', message: 'The server is ending.', hint: 'Try again in a moment.' });
}
