/**
 * The brain of one workspace on the server itself: a replica like any other, of this server. It is brought up to date before
 * it is read, and what is written to it is pushed before it is acknowledged. The first time that takes seconds for each ten
 * thousand entries; it goes on by itself, whoever has stopped waiting for it.
 */
import { type AnswerOf, type Brain, isWrite, type OperationName, type RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { syncOnce } from '../sync/sync-once.ts';
import type { Caller, ServerContext } from './context.ts';
import { localCalls } from './local-calls.ts';

/** The address under which a replica knows this server; it is not on any network. */
const ENDPOINT = 'http://server.invalid';
/** How long a question waits for the replica to be up to date and indexed: agents give up after a minute, and learn nothing then. */
export const REPLICA_PATIENCE_MS = 20_000;
/** Changes of a page: while one is read the server does nothing else, so that it is half of what a device asks for. */
const PAGE_CHANGES = 500;

export class Replica {
  readonly #context: ServerContext;
  readonly #brain: Promise<Brain>;
  readonly #patienceMs: number;
  #users = 0;
  #lastUsedMs = performance.now();
  /** The workspace's cursor that it has reached at least; -1 before its first sync. */
  #cursor = -1;
  /** Changes that were pulled since it was opened. */
  #pulled = 0;
  #syncing: Promise<unknown> = Promise.resolve();
  /** A sync that begins after the one under way, for all who came since. */
  #waiting: Promise<void> | undefined;
  #isBegun = false;

  constructor(context: ServerContext, brain: Promise<Brain>, patienceMs: number) {
    this.#context = context;
    this.#brain = brain;
    this.#patienceMs = patienceMs;
  }

  get isInUse(): boolean {
    return this.#users > 0;
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /** In use from the moment of the call. @throws SmError `unavailable` where it is not up to date in time */
  run<O extends OperationName>(caller: Caller, operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    return this.#using(async () => {
      const refreshed = this.#refresh(caller);
      // The first question after many changes also waits until they are indexed.
      if (!isWrite(operation)) return this.#inTime(refreshed.then((brain) => brain.run(operation, request)));
      const brain = await this.#inTime(refreshed);
      const answer = await brain.run(operation, request);
      await this.#sync(brain, caller).catch((error: unknown) => {
        throw keptHere(error);
      });
      return answer;
    });
  }

  /** Brings it up to date for the first time, for a question that will come. How that goes is told to who asks. */
  begin(caller: Caller): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    this.#refresh(caller).catch(() => undefined);
  }

  async close(): Promise<void> {
    const brain = await this.#brain.catch(() => undefined);
    await brain?.close();
  }

  async #using<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      this.#lastUsedMs = performance.now();
    }
  }

  async #inTime<T>(ready: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(notReady(this.#pulled)), this.#patienceMs);
    });
    try {
      return await Promise.race([ready, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Goes on also where nobody waits for it any more. */
  #refresh(caller: Caller): Promise<Brain> {
    return this.#using(async () => {
      const brain = await this.#brain;
      const cursor = await this.#context.store.lastCursor(caller.workspaceId);
      if (this.#cursor < 0 || cursor !== this.#cursor) await this.#sync(brain, caller);
      return brain;
    });
  }

  /** Pushes and pulls; whoever calls while one is under way waits for another, which sees what was written since. */
  #sync(brain: Brain, caller: Caller): Promise<void> {
    this.#waiting ??= this.#syncing.then(() => {
      this.#waiting = undefined;
      const syncing = this.#syncNow(brain, caller);
      this.#syncing = syncing.catch(() => undefined);
      return syncing;
    });
    return this.#waiting;
  }

  async #syncNow(brain: Brain, caller: Caller): Promise<void> {
    const { store, nowMs } = this.#context;
    const cursor = await store.lastCursor(caller.workspaceId);
    const pulledBefore = this.#pulled;
    const report = await syncOnce({
      brain,
      endpoint: ENDPOINT,
      apiKey: '',
      workspaceId: caller.workspaceId,
      projectId: caller.projectId,
      mode: 'both',
      pageChanges: PAGE_CHANGES,
      nowMs,
      fetch: localCalls(this.#context, caller),
      onProgress: ({ phase, done }) => {
        if (phase === 'pulling') this.#pulled = pulledBefore + done;
      },
    });
    if (!report.success)
      throw new SmError({ code: 'unavailable', message: report.reason?.message ?? 'The sync failed.' });
    // Its own push has moved the cursor; that one more sync looks at nothing.
    this.#cursor = cursor;
  }
}

function notReady(pulled: number): SmError {
  return new SmError({
    code: 'unavailable',
    message: `The brain of this workspace is being made ready here: ${pulled} changes have been read so far. Nothing was looked up or recorded.`,
    hint: 'Ask again in a moment; it goes on meanwhile.',
  });
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
