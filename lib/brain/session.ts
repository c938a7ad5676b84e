/**
 * An open brain: runs operations one after another on a store that this process owns. Owns the queue and the sharing
 * of one transaction (and so of one fsync) by writes that wait together. Refuses requests of the wrong shape or size.
 * Invariant: a write resolves only after the commit that holds it is on disk.
 */
import { SmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX, DISK_RESERVE_BYTES } from '../core/limits.ts';
import { VectorMemory } from '../recall/vector-memory.ts';
import { type Database, isPoisoned, toStoreError } from '../store/database.ts';
import { readClockOffset, readReplicaId } from '../store/meta.ts';
import type { OpenStore } from '../store/pglite.ts';
import { type AnswerOf, type Brain, isWrite, type OperationName, type RequestOf } from './contract.ts';
import { maskRequest, tellMasked, writesText } from './disclosure.ts';
import { HandedOut } from './echo.ts';
import { needsIndex, type ReadContext, runRead, runWrite, type SessionContext } from './operations.ts';
import { parseRequest } from './requests.ts';
import { correctionOf } from './sync-operations.ts';
import { IndexBacklog } from './index-backlog.ts';
import { StoreUpkeep } from './upkeep.ts';

/** Requests that share one transaction at most. */
const WRITES_PER_TRANSACTION_MAX = 64;
/** What may share a transaction: the others take long, and have deadlines of their own. */
const SHARING_OPERATIONS: readonly OperationName[] = ['record', 'edit', 'supersede', 'retract', 'feedback', 'resolve'];

export interface SessionOptions {
  directory: string;
  nowMs: () => number;
  createEntryId: SessionContext['createEntryId'];
  createReplicaId: () => string;
  /** Whether the store is to be opened anew at another place before anything else is asked of it. */
  isMisplaced?: () => boolean;
  /** Told when work on something begins and ends, so that a watchdog can see what hangs. */
  onWork?: (work: OperationName | 'upkeep' | null) => void;
}

interface Job {
  operation: OperationName;
  request: unknown;
  /** Length of a write's request as JSON; 0 for a read. */
  bytes: number;
  resolve: (answer: unknown) => void;
  reject: (error: SmError) => void;
}

type Outcome = { answer: unknown } | { error: SmError };

export class BrainSession implements Brain {
  /** Set once the database can no longer be trusted; every later call fails with it and the owner opens anew. */
  poison: SmError | undefined;
  readonly #store: OpenStore;
  readonly #options: SessionOptions;
  readonly #context: SessionContext;
  readonly #upkeep: StoreUpkeep;
  readonly #backlog: IndexBacklog;
  readonly #handedOut = new HandedOut();
  readonly #vectors = new VectorMemory();
  readonly #jobs: Job[] = [];
  /** Requests that were accepted and are not in the queue yet. */
  readonly #entering = new Set<Promise<unknown>>();
  readonly #waitingForQuiet: (() => void)[] = [];
  /** The server's clock less this machine's, as far as it is followed, in milliseconds. */
  #clockOffsetMs: number;
  #isRunning = false;
  #closing: Promise<void> | undefined;

  private constructor(
    store: OpenStore,
    options: SessionOptions,
    upkeep: StoreUpkeep,
    replicaId: string,
    clockOffsetMs: number,
  ) {
    this.#store = store;
    this.#options = options;
    this.#upkeep = upkeep;
    this.#backlog = new IndexBacklog(store.database, upkeep);
    this.#clockOffsetMs = clockOffsetMs;
    this.#context = {
      replicaId,
      nowMs: () => options.nowMs() + this.#clockOffsetMs,
      createEntryId: options.createEntryId,
      createReplicaId: options.createReplicaId,
      echoOf: (entry) => this.#handedOut.findSource(entry.workspaceId, entry),
    };
  }

  static async open(store: OpenStore, options: SessionOptions): Promise<BrainSession> {
    const replicaId = await readReplicaId(store.database, options.createReplicaId);
    const upkeep = await StoreUpkeep.open(store, options.directory, 'brain');
    return new BrainSession(store, options, upkeep, replicaId, await readClockOffset(store.database));
  }

  async run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    if (this.#closing !== undefined) throw closed();
    const parsed = parseRequest(operation, request);
    if (!writesText(operation)) return this.#enqueue(operation, parsed);
    const entering = maskRequest(operation, parsed).then(({ request: fit, masked }) => ({
      answering: this.#enqueue(operation, fit),
      masked,
    }));
    this.#entering.add(entering);
    const { answering, masked } = await entering.finally(() => this.#entering.delete(entering));
    return tellMasked(await answering, masked);
  }

  #enqueue<O extends OperationName>(operation: O, parsed: unknown): Promise<AnswerOf<O>> {
    return new Promise((resolve, reject) => {
      const bytes = isWrite(operation) ? requireSize(parsed) : 0;
      this.#jobs.push({ operation, request: parsed, bytes, resolve: resolve as Job['resolve'], reject });
      void this.#work();
    });
  }

  /** Indexing, checkpoint and vacuum where there is reason to. To be called when nobody is waiting. */
  async doUpkeep(): Promise<void> {
    if (!this.#upkeep.isDue && !this.#backlog.isDue) return;
    await this.#whenNobodyWaits(async (isQuiet) => {
      await this.#backlog.stepsWhile(isQuiet);
      if (isQuiet()) await this.#upkeep.whenIdle();
    });
  }

  /** Indexing alone, where much waits for it. To be called as soon as nobody is waiting. */
  async indexSoon(): Promise<void> {
    if (!this.#backlog.isDue) return;
    await this.#whenNobodyWaits(async (isQuiet) => {
      if (await this.#backlog.isLarge()) await this.#backlog.stepsWhile(isQuiet);
    });
  }

  async #whenNobodyWaits(work: (isQuiet: () => boolean) => Promise<void>): Promise<void> {
    if (this.#isRunning || this.#closing !== undefined || this.poison !== undefined) return;
    this.#isRunning = true;
    this.#options.onWork?.('upkeep');
    try {
      await work(() => this.#jobs.length === 0);
    } catch (error) {
      this.#notePoison(error);
    } finally {
      this.#options.onWork?.(null);
      this.#isRunning = false;
    }
    void this.#work();
  }

  /** Answers what was asked before, then shuts the store down. */
  close(): Promise<void> {
    this.#closing ??= this.#closeWhenQuiet();
    return this.#closing;
  }

  async #closeWhenQuiet(): Promise<void> {
    await Promise.allSettled(this.#entering);
    if (this.#isRunning) await new Promise<void>((resolve) => this.#waitingForQuiet.push(resolve));
    await this.#store.close();
  }

  async #work(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      this.#options.onWork?.(job.operation);
      await this.#leaveWhereMisplaced();
      if (this.poison !== undefined) job.reject(this.poison);
      else if (isWrite(job.operation)) await this.#commitTogether([job, ...this.#takeWaitingWrites(job)]);
      else await this.#answer(job);
    }
    this.#options.onWork?.(null);
    this.#isRunning = false;
    for (const resolve of this.#waitingForQuiet.splice(0)) resolve();
  }

  /** A disk that is nearly full is given room first; where that is not enough, or there is room again, another store serves. */
  async #leaveWhereMisplaced(): Promise<void> {
    if (this.poison !== undefined || this.#options.isMisplaced?.() !== true) return;
    try {
      await this.#upkeep.giveBack(DISK_RESERVE_BYTES);
    } catch (error) {
      this.#notePoison(error);
    }
    if (this.#options.isMisplaced()) this.poison = toBeReopened(this.#store.isCopy);
  }

  /** Writes that wait may overtake reads that wait: they are answered sooner and nobody can tell. */
  #takeWaitingWrites(first: Job): Job[] {
    if (!SHARING_OPERATIONS.includes(first.operation)) return [];
    const taken: Job[] = [];
    let bytes = first.bytes;
    for (let index = 0; index < this.#jobs.length && taken.length < WRITES_PER_TRANSACTION_MAX - 1;) {
      const job = this.#jobs[index];
      const isTaken =
        job !== undefined && SHARING_OPERATIONS.includes(job.operation) && bytes + job.bytes <= BATCH_BYTES_MAX;
      if (isTaken) taken.push(...this.#jobs.splice(index, 1));
      else index += 1;
      if (isTaken) bytes += job.bytes;
    }
    return taken;
  }

  async #answer(job: Job): Promise<void> {
    try {
      if (needsIndex(job.operation, job.request)) await this.#backlog.shorten();
      job.resolve(await runRead(job.operation, job.request, this.#reading()));
    } catch (error) {
      this.#notePoison(error);
      // A read that met a full disk is repeated where it can be done.
      const isFull = this.poison?.code === 'disk_full' && this.#options.isMisplaced?.() === true;
      job.reject(isFull ? toBeReopened(false) : toStoreError(error));
    }
  }

  async #commitTogether(jobs: Job[]): Promise<void> {
    const requestBytes = jobs.reduce((sum, { bytes }) => sum + bytes, 0);
    try {
      if (jobs.some(({ operation }) => operation === 'rebuild')) await this.#upkeep.requireRoomToRebuild();
      else await this.#upkeep.requireRoom(requestBytes);
      const outcomes = await this.#store.database.transaction(async (transaction) => {
        const results: Outcome[] = [];
        for (const job of jobs) results.push(await this.#attempt(job, transaction));
        return results;
      });
      outcomes.forEach((outcome, index) => this.#settle(jobs[index], outcome));
    } catch (error) {
      this.#notePoison(error);
      if (jobs.length > 1 && this.poison === undefined && !(error instanceof SmError)) {
        for (const job of jobs) await this.#commitTogether([job]);
        return;
      }
      for (const job of jobs) job.reject(this.poison ?? toStoreError(error));
      return;
    }
    try {
      const changes = jobs.reduce((sum, job) => sum + changesOf(job), 0);
      await this.#upkeep.afterCommit({ changes, requestBytes });
      await this.#backlog.note({ changes, requestBytes });
    } catch (error) {
      this.#notePoison(error); // It concerns nobody's request; the next one meets the poison.
    }
  }

  #reading(): ReadContext {
    const { directory } = this.#options;
    return {
      database: this.#store.database,
      directory,
      replicaId: this.#context.replicaId,
      nowMs: this.#context.nowMs(),
      handedOut: this.#handedOut,
      vectors: this.#vectors,
    };
  }

  /** A refusal concerns its own request alone; any other failure ends the transaction. */
  async #attempt(job: Job, transaction: Database): Promise<Outcome> {
    try {
      return { answer: await runWrite(job.operation, job.request, transaction, this.#context) };
    } catch (error) {
      if (error instanceof SmError) return { error };
      throw error;
    }
  }

  /** What a write has changed of the brain itself counts from its commit on. */
  #settle(job: Job | undefined, outcome: Outcome): void {
    if (job !== undefined && 'answer' in outcome) {
      if (job.operation === 'syncRenew') {
        this.#context.replicaId = (outcome.answer as AnswerOf<'syncRenew'>).replicaId;
      }
      const clockOffsetMs = clockOffsetIn(job);
      if (clockOffsetMs !== undefined) this.#clockOffsetMs = correctionOf(clockOffsetMs);
      if (job.operation === 'embeddingStore') {
        const { generation, vectors } = job.request as RequestOf<'embeddingStore'>;
        this.#vectors.note(generation, vectors);
      }
    }
    settle(job, outcome);
  }

  #notePoison(error: unknown): void {
    if (!(error instanceof SmError) && isPoisoned(error)) this.poison = toStoreError(error);
  }
}

function settle(job: Job | undefined, outcome: Outcome): void {
  if ('error' in outcome) job?.reject(outcome.error);
  else job?.resolve(outcome.answer);
}

/** What a contact with a server has shown of the clock. */
function clockOffsetIn({ operation, request }: Job): number | undefined {
  if (operation === 'syncNote') return (request as RequestOf<'syncNote'>).clockOffsetMs;
  if (operation === 'syncApply') return (request as RequestOf<'syncApply'>).contact?.clockOffsetMs;
  return undefined;
}

/** Versions that a write may add, as far as its request shows. */
function changesOf({ request }: Job): number {
  const { drafts, changes } = request as { drafts?: unknown[]; changes?: unknown[] };
  return drafts?.length ?? changes?.length ?? 1;
}

/** Length of the request as JSON. @throws SmError `too_large` */
function requireSize(request: unknown): number {
  const bytes = JSON.stringify(request).length;
  if (bytes <= BATCH_BYTES_MAX) return bytes;
  throw new SmError({
    code: 'too_large',
    message: `That is ${Math.ceil(bytes / 1024 / 1024)} MiB at once; at most ${BATCH_BYTES_MAX / 1024 / 1024} MiB can be written by one request.`,
    hint: 'Write fewer entries at a time.',
  });
}

function toBeReopened(isCopy: boolean): SmError {
  return new SmError({
    code: 'store_restarted',
    message: isCopy
      ? 'The disk that holds the brain has room again.'
      : 'The disk that holds the brain is nearly full; it is read from a copy in memory.',
    hint: 'Repeating the command is safe.',
  });
}

function closed(): SmError {
  return new SmError({ code: 'store_failed', message: 'The brain is closed.', hint: 'Open it again.' });
}
