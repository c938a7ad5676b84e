/**
 * An open brain: runs operations one after another on a store that this process owns. Owns the queue, the sharing of
 * one transaction (and so of one fsync) by writes that wait together, and the store's upkeep: checkpoints and vacuum.
 * Invariant: a write resolves only after the commit that holds it is on disk.
 */
import fs from 'node:fs';
import { sql } from 'drizzle-orm';
import { SmError } from '../core/errors.ts';
import { DISK_RESERVE_BYTES } from '../core/limits.ts';
import { type Database, isPoisoned, rowsOf, toStoreError } from '../store/database.ts';
import { readReplicaId } from '../store/meta.ts';
import type { OpenStore } from '../store/pglite.ts';
import { rebuildEntries, verifyStore } from '../store/verify.ts';
import { type AnswerOf, type Brain, type OperationName, type RequestOf, WRITE_OPERATIONS } from './contract.ts';
import { history, list, log, logPage, recall, status } from './query.ts';
import { findEntry } from './references.ts';
import { edit, importChanges, record, retract, supersede } from './write.ts';
import type { WriteContext } from './writer.ts';

/** Requests that share one transaction at most. */
const WRITES_PER_TRANSACTION_MAX = 64;
const CHECKPOINT_WAL_BYTES = 32 * 1024 * 1024;
/** How often the amount of WAL is looked at, in transactions. */
const WAL_CHECK_INTERVAL = 32;
const VACUUM_AFTER_CHANGES = 2_000;

export interface SessionOptions {
  directory: string;
  nowMs: () => number;
  createEntryId: WriteContext['createEntryId'];
  createReplicaId: () => string;
  /** Told when work on something begins and ends, so that a watchdog can see what hangs. */
  onWork?: (work: OperationName | 'upkeep' | null) => void;
}

interface Job {
  operation: OperationName;
  request: unknown;
  resolve: (answer: unknown) => void;
  reject: (error: SmError) => void;
}

type Outcome = { answer: unknown } | { error: SmError };

export class BrainSession implements Brain {
  /** Set once the database can no longer be trusted; every later call fails with it and the owner opens anew. */
  poison: SmError | undefined;
  readonly #store: OpenStore;
  readonly #options: SessionOptions;
  readonly #context: WriteContext;
  readonly #jobs: Job[] = [];
  #isRunning = false;
  #transactionsSinceWalCheck = 0;
  #changesSinceCheckpoint = 0;
  #changesSinceVacuum = 0;
  #walBytesAtCheckpoint = 0;

  private constructor(store: OpenStore, options: SessionOptions, replicaId: string) {
    this.#store = store;
    this.#options = options;
    this.#context = { replicaId, nowMs: options.nowMs, createEntryId: options.createEntryId };
  }

  static async open(store: OpenStore, options: SessionOptions): Promise<BrainSession> {
    const replicaId = await readReplicaId(store.database, options.createReplicaId);
    const session = new BrainSession(store, options, replicaId);
    session.#walBytesAtCheckpoint = await session.#walBytes();
    return session;
  }

  run<O extends OperationName>(operation: O, request: RequestOf<O>): Promise<AnswerOf<O>> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ operation, request, resolve: resolve as Job['resolve'], reject });
      void this.#work();
    });
  }

  /** Checkpoint and vacuum where there is reason to. To be called when nobody is waiting. */
  async doUpkeep(): Promise<void> {
    if (this.#isRunning || this.poison !== undefined || this.#changesSinceCheckpoint === 0) return;
    this.#isRunning = true;
    this.#options.onWork?.('upkeep');
    try {
      if (this.#changesSinceVacuum >= VACUUM_AFTER_CHANGES) {
        await this.#store.client.exec('VACUUM ANALYZE');
        this.#changesSinceVacuum = 0;
      }
      await this.#checkpoint();
    } catch (error) {
      this.#notePoison(error);
    } finally {
      this.#options.onWork?.(null);
      this.#isRunning = false;
    }
    void this.#work();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #work(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      this.#options.onWork?.(job.operation);
      if (this.poison !== undefined) job.reject(this.poison);
      else if (isWrite(job)) await this.#commitTogether([job, ...this.#takeWaitingWrites()]);
      else await this.#answer(job);
    }
    this.#options.onWork?.(null);
    this.#isRunning = false;
  }

  /** Writes that wait may overtake reads that wait: they are answered sooner and nobody can tell. */
  #takeWaitingWrites(): Job[] {
    const taken: Job[] = [];
    for (let index = 0; index < this.#jobs.length && taken.length < WRITES_PER_TRANSACTION_MAX - 1;) {
      const job = this.#jobs[index];
      if (job !== undefined && isWrite(job)) taken.push(...this.#jobs.splice(index, 1));
      else index += 1;
    }
    return taken;
  }

  async #answer(job: Job): Promise<void> {
    try {
      job.resolve(await this.#read(job.operation, job.request));
    } catch (error) {
      this.#notePoison(error);
      job.reject(toStoreError(error));
    }
  }

  async #commitTogether(jobs: Job[]): Promise<void> {
    try {
      this.#requireDiskSpace();
      const outcomes = await this.#store.database.transaction(async (transaction) => {
        const results: Outcome[] = [];
        for (const job of jobs) results.push(await this.#attempt(job, transaction));
        return results;
      });
      outcomes.forEach((outcome, index) => settle(jobs[index], outcome));
    } catch (error) {
      this.#notePoison(error);
      if (jobs.length > 1 && this.poison === undefined && !(error instanceof SmError)) {
        for (const job of jobs) await this.#commitTogether([job]);
        return;
      }
      for (const job of jobs) job.reject(this.poison ?? toStoreError(error));
      return;
    }
    this.#changesSinceCheckpoint += jobs.length;
    this.#changesSinceVacuum += jobs.length;
    await this.#limitWal();
  }

  /** A refusal concerns its own request alone; any other failure ends the transaction. */
  async #attempt(job: Job, transaction: Database): Promise<Outcome> {
    try {
      return { answer: await this.#write(job.operation, job.request, transaction) };
    } catch (error) {
      if (error instanceof SmError) return { error };
      throw error;
    }
  }

  async #write(operation: OperationName, request: unknown, transaction: Database): Promise<unknown> {
    switch (operation) {
      case 'record':
        return record(transaction, this.#context, request as RequestOf<'record'>);
      case 'edit':
        return edit(transaction, this.#context, request as RequestOf<'edit'>);
      case 'supersede':
        return supersede(transaction, this.#context, request as RequestOf<'supersede'>);
      case 'retract':
        return retract(transaction, this.#context, request as RequestOf<'retract'>);
      case 'import':
        return importChanges(transaction, this.#context, request as RequestOf<'import'>);
      case 'rebuild':
        return rebuildEntries(transaction);
      default:
        throw new SmError({ code: 'bad_request', message: `${JSON.stringify(operation)} is not an operation.` });
    }
  }

  async #read(operation: OperationName, request: unknown): Promise<unknown> {
    const database = this.#store.database;
    switch (operation) {
      case 'show':
        return (await findEntry(database, request as RequestOf<'show'>)).entry;
      case 'history':
        return history(database, request as RequestOf<'history'>);
      case 'recall':
        return recall(database, request as RequestOf<'recall'>);
      case 'list':
        return list(database, request as RequestOf<'list'>);
      case 'log':
        return log(database, request as RequestOf<'log'>);
      case 'logPage':
        return logPage(database, request as RequestOf<'logPage'>);
      case 'status':
        return status(
          database,
          { replicaId: this.#context.replicaId, directory: this.#options.directory, nowMs: this.#options.nowMs() },
          request as RequestOf<'status'>,
        );
      case 'verify':
        return verifyStore(database);
      default:
        throw new SmError({ code: 'bad_request', message: `${JSON.stringify(operation)} is not an operation.` });
    }
  }

  #requireDiskSpace(): void {
    const disk = fs.statfsSync(this.#options.directory);
    const freeBytes = disk.bavail * disk.bsize;
    if (freeBytes >= DISK_RESERVE_BYTES) return;
    throw new SmError({
      code: 'disk_full',
      message: `The disk that holds the brain is nearly full (${Math.floor(freeBytes / 1024)} KiB free); nothing was written.`,
      hint: `Free at least ${DISK_RESERVE_BYTES / 1024 / 1024} MiB and run the command again. Reading still works, and everything acknowledged before is safe.`,
    });
  }

  /** A failure here concerns nobody's request; where it concerns the database, the next request meets the poison. */
  async #limitWal(): Promise<void> {
    this.#transactionsSinceWalCheck += 1;
    if (this.#transactionsSinceWalCheck < WAL_CHECK_INTERVAL) return;
    this.#transactionsSinceWalCheck = 0;
    try {
      if ((await this.#walBytes()) - this.#walBytesAtCheckpoint >= CHECKPOINT_WAL_BYTES) await this.#checkpoint();
    } catch (error) {
      this.#notePoison(error);
    }
  }

  async #checkpoint(): Promise<void> {
    await this.#store.client.exec('CHECKPOINT');
    this.#changesSinceCheckpoint = 0;
    this.#walBytesAtCheckpoint = await this.#walBytes();
  }

  async #walBytes(): Promise<number> {
    const [row] = await rowsOf<{ bytes: string | number }>(
      this.#store.database,
      sql`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes`,
    );
    return Number(row?.bytes ?? 0);
  }

  #notePoison(error: unknown): void {
    if (!(error instanceof SmError) && isPoisoned(error)) this.poison = toStoreError(error);
  }
}

function settle(job: Job | undefined, outcome: Outcome): void {
  if ('error' in outcome) job?.reject(outcome.error);
  else job?.resolve(outcome.answer);
}

function isWrite({ operation }: Job): boolean {
  return (WRITE_OPERATIONS as readonly OperationName[]).includes(operation);
}
