/**
 * An open brain: runs operations one after another on a store that this process owns. Writes that wait together share one
 * transaction, and so one fsync. Refuses requests of the wrong shape or size.
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
import type { SyncApplyRequest } from './sync-contract.ts';
import { correctionOf } from './sync-operations.ts';
import { IndexBacklog } from './index-backlog.ts';
import { type Job, JobQueue } from './job-queue.ts';
import { StoreUpkeep } from './upkeep.ts';

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
  readonly #queue: JobQueue;
  /** Requests that were accepted and are not in the queue yet. */
  readonly #entering = new Set<Promise<unknown>>();
  /** The server's clock less this machine's, as far as it is followed, in milliseconds. */
  #clockOffsetMs: number;
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
    this.#queue = new JobQueue({
      run: (job, takeSharing) => this.#runJob(job, takeSharing),
      onWork: options.onWork,
    });
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
      this.#queue.add({ operation, request: parsed, bytes, resolve: resolve as Job['resolve'], reject });
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
    if (this.#closing !== undefined || this.poison !== undefined) return;
    await this.#queue.whenNobodyWaits((isQuiet) => work(isQuiet).catch((error: unknown) => this.#notePoison(error)));
  }

  /** Answers what was asked before, then shuts the store down. */
  close(): Promise<void> {
    this.#closing ??= this.#closeWhenQuiet();
    return this.#closing;
  }

  async #closeWhenQuiet(): Promise<void> {
    await Promise.allSettled(this.#entering);
    await this.#queue.untilRest();
    await this.#store.close();
  }

  async #runJob(job: Job, takeSharing: () => Job[]): Promise<void> {
    await this.#leaveWhereMisplaced();
    if (this.poison !== undefined) job.reject(this.poison);
    else if (isWrite(job.operation)) await this.#commitTogether([job, ...takeSharing()]);
    else await this.#answer(job);
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
  const { drafts, changes, page, columns, entries } = request as { drafts?: unknown[]; entries?: unknown[] } & Partial<
    Pick<SyncApplyRequest, 'changes' | 'page' | 'columns'>
  >;
  const count = columns?.['count'];
  const items = drafts ?? changes ?? page?.rows ?? entries;
  return items?.length ?? (Array.isArray(count) && typeof count[0] === 'number' ? count[0] : 1);
}

/** Length of the request as JSON; of a page that was read, of its rows. @throws SmError `too_large` */
function requireSize(request: unknown): number {
  const { page } = request as Partial<Pick<SyncApplyRequest, 'page'>>;
  const bytes =
    page === undefined ? JSON.stringify(request).length : page.rows.reduce((sum, row) => sum + row.length, 0);
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
