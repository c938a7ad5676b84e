/**
 * The database engine as its owner sees it: runs operations in a worker thread, watches them, and replaces a worker
 * that hangs or can no longer be trusted. Owns deadlines and restarts; holds no lock itself (see owned-brain.ts).
 * Invariant: every request is answered in bounded time, by an answer or by an SmError.
 */
import { Worker } from 'node:worker_threads';
import type { AnswerOf, Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { errorFromJson, SmError } from '../core/errors.ts';
import { assetPath } from '../store/assets.ts';
import type { WorkerMessage, WorkerParameters } from './engine-messages.ts';

/** How long one operation may take once it has begun, in milliseconds. */
export type Deadlines = Record<OperationName | 'upkeep', number>;

const DEADLINES_MS: Deadlines = {
  record: 30_000,
  edit: 30_000,
  supersede: 30_000,
  retract: 30_000,
  feedback: 30_000,
  import: 120_000,
  show: 20_000,
  history: 20_000,
  recall: 120_000,
  similar: 120_000,
  context: 120_000,
  why: 60_000,
  list: 20_000,
  log: 20_000,
  logPage: 30_000,
  status: 20_000,
  activity: 30_000,
  verify: 600_000,
  rebuild: 600_000,
  conflicts: 30_000,
  resolve: 30_000,
  adopt: 120_000,
  syncState: 30_000,
  syncStanding: 30_000,
  syncOutgoing: 30_000,
  syncVersions: 30_000,
  syncDigest: 120_000,
  syncNote: 30_000,
  syncApply: 120_000,
  syncRestamp: 120_000,
  syncRenew: 30_000,
  embeddingState: 30_000,
  embeddingStart: 120_000,
  embeddingPending: 30_000,
  embeddingStore: 30_000,
  upkeep: 600_000,
};
/** Opening includes crash recovery, which replays at most 64 MB of WAL, and creation. */
const OPEN_DEADLINE_MS = 120_000;
const CLOSE_DEADLINE_MS = 20_000;
/** A thread ends within milliseconds, unless the system itself does not come back from reading or writing a file. */
const TERMINATION_DEADLINE_MS = 10_000;
const WATCH_INTERVAL_MS = 500;

interface PendingRequest {
  operation: OperationName;
  sinceMs: number;
  resolve: (answer: unknown) => void;
  reject: (error: SmError) => void;
}

export interface EngineOptions {
  brainDirectory: string;
  pulse?: Int32Array;
  /** The worker's program; by default the one that is shipped. */
  workerFile?: string;
  deadlinesMs?: Partial<Deadlines>;
  /** Told of openings, restarts and failures, for a log. */
  onEvent?: (message: string) => void;
}

export class BrainEngine implements Brain {
  /** How often a worker had to be replaced. */
  restarts = 0;
  readonly #options: EngineOptions;
  readonly #pending = new Map<number, PendingRequest>();
  #worker: Promise<Worker> | undefined;
  /** The worker that is open and trusted; what an earlier one still says is not listened to. */
  #current: Worker | undefined;
  #nextId = 1;
  /** What the worker says it is at, and since when. */
  #work: { name: OperationName | 'upkeep' | null; sinceMs: number } = { name: null, sinceMs: 0 };
  #watch: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** The end of the worker before: two at once on one directory would corrupt it. */
  #previousEnd: Promise<unknown> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Opens the database now instead of at the first request. @throws SmError */
  async open(): Promise<void> {
    await this.#ensureWorker();
  }

  async run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    let worker = await this.#ensureWorker();
    // It may have been replaced between its promise and now; whatever it is told then is lost.
    while (worker !== this.#current) worker = await this.#ensureWorker();
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, {
        operation,
        sinceMs: performance.now(),
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
      worker.postMessage({ type: 'run', id, operation, request });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#watch);
    const worker = await this.#worker?.catch(() => undefined);
    if (worker !== undefined) await closeWorker(worker);
    await this.#ensurePreviousEnd();
    this.#failPending('was closed');
  }

  #ensureWorker(): Promise<Worker> {
    if (this.#isClosed) return Promise.reject(restarted('The brain is closing.'));
    this.#worker ??= this.#startWorker().catch((error: unknown) => {
      this.#worker = undefined;
      throw error;
    });
    return this.#worker;
  }

  async #startWorker(): Promise<Worker> {
    await this.#ensurePreviousEnd();
    this.#work = { name: null, sinceMs: performance.now() };
    const workerData: WorkerParameters = {
      brainDirectory: this.#options.brainDirectory,
      ...(this.#options.pulse === undefined ? {} : { pulse: this.#options.pulse }),
    };
    const worker = new Worker(this.#options.workerFile ?? assetPath('worker.js'), { workerData, name: 'brain' });
    const started = performance.now();
    // Listeners are added once and never removed: without any the worker's port would be stopped for good.
    let isOpen = false;
    const opening = new Promise<void>((resolve, reject) => {
      const failed = (reason: string): void => (isOpen ? this.#replace(worker, reason) : reject(notOpened(reason)));
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'open') resolve();
        else if (message.type === 'failed') reject(errorFromJson(message.error));
        else this.#receive(worker, message);
      });
      worker.on('error', (error) => failed(`crashed: ${error.message}`));
      worker.on('exit', (code) => failed(`ended with code ${code}`));
      setTimeout(() => reject(notOpened(`did not open within ${OPEN_DEADLINE_MS / 1000} s`)), OPEN_DEADLINE_MS).unref();
    });
    try {
      await opening;
    } catch (error) {
      this.#previousEnd = worker.terminate();
      await this.#ensurePreviousEnd();
      this.#options.onEvent?.(`opening failed: ${(error as Error).message}`);
      throw error;
    }
    isOpen = true;
    this.#current = worker;
    this.#watch = setInterval(() => this.#checkDeadline(worker), WATCH_INTERVAL_MS).unref();
    this.#options.onEvent?.(`database open after ${Math.round(performance.now() - started)} ms`);
    return worker;
  }

  #receive(worker: Worker, message: WorkerMessage): void {
    if (this.#current !== worker) return;
    switch (message.type) {
      case 'work':
        this.#work = { name: message.work, sinceMs: performance.now() };
        return;
      case 'answer':
        this.#take(message.id)?.resolve(message.answer);
        return;
      case 'error':
        this.#take(message.id)?.reject(errorFromJson(message.error));
        return;
      case 'poisoned':
        this.#replace(worker, message.reason);
        return;
      case 'open':
      case 'failed':
      case 'closed':
        return;
    }
  }

  /** A worker that says it does nothing is expected to begin the oldest request, and measured by that one's deadline. */
  #checkDeadline(worker: Worker): void {
    const [oldest] = this.#pending.values();
    const name = this.#work.name ?? oldest?.operation;
    if (name === undefined) return;
    const sinceMs = this.#work.name === null ? Math.max(this.#work.sinceMs, oldest?.sinceMs ?? 0) : this.#work.sinceMs;
    const deadlineMs = this.#options.deadlinesMs?.[name] ?? DEADLINES_MS[name];
    if (performance.now() - sinceMs <= deadlineMs) return;
    this.#replace(worker, `did not finish "${name}" within ${deadlineMs / 1000} s`);
  }

  /** Ends a worker and fails what it was asked. The next request starts another, which recovers from the WAL. */
  #replace(worker: Worker, reason: string): void {
    if (this.#isClosed || this.#current !== worker) return;
    this.#current = undefined;
    this.#worker = undefined;
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.restarts += 1;
    this.#options.onEvent?.(`the database ${reason}; it will be opened anew`);
    this.#previousEnd = worker.terminate();
    this.#failPending(reason);
  }

  #failPending(reason: string): void {
    for (const request of this.#pending.values()) request.reject(restarted(`The brain's database ${reason}.`));
    this.#pending.clear();
  }

  /** @throws SmError where the thread before does not end: another beside it would corrupt the brain */
  async #ensurePreviousEnd(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(notOpened('is still held by a thread that does not end')),
        TERMINATION_DEADLINE_MS,
      );
    });
    try {
      await Promise.race([this.#previousEnd, tooLong]);
    } finally {
      clearTimeout(timer);
    }
  }

  #take(id: number): PendingRequest | undefined {
    const request = this.#pending.get(id);
    this.#pending.delete(id);
    return request;
  }
}

/** Has the worker shut the database down cleanly, and ends it. */
async function closeWorker(worker: Worker): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const closed = new Promise<void>((resolve) => {
    worker.on('message', (message: WorkerMessage) => message.type === 'closed' && resolve());
    worker.on('exit', () => resolve());
    timer = setTimeout(resolve, CLOSE_DEADLINE_MS);
  });
  worker.postMessage({ type: 'close' });
  await closed;
  clearTimeout(timer);
  await worker.terminate();
}

function restarted(message: string): SmError {
  return new SmError({
    code: 'store_restarted',
    message,
    hint: 'Whether the last write took effect is not known; repeating the command is safe. "sm host logs" tells more.',
  });
}

function notOpened(reason: string): SmError {
  return new SmError({
    code: 'store_failed',
    message: `The brain's database did not open: it ${reason}.`,
    hint: 'Run "sm doctor" to check the brain.',
  });
}
