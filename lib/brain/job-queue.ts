/**
 * What was asked of a brain and waits: done one after another, in the order in which it came, but that small writes may
 * overtake so as to share a transaction. Owns the rule of what may share one, and tells what is being worked on.
 * Invariant: never are two at work at once, upkeep included.
 */
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import type { SmError } from '../core/errors.ts';
import type { OperationName } from './contract.ts';

/** Requests that share one transaction at most. */
const WRITES_PER_TRANSACTION_MAX = 64;
/** What may share a transaction: the others take long, and have deadlines of their own. */
const SHARING_OPERATIONS: readonly OperationName[] = ['record', 'edit', 'supersede', 'retract', 'feedback', 'resolve'];

export interface Job {
  operation: OperationName;
  request: unknown;
  /** Length of a write's request as JSON; 0 for a read. */
  bytes: number;
  resolve: (answer: unknown) => void;
  reject: (error: SmError) => void;
}

export interface JobRunner {
  /** Does a job, and those it takes along: `takeSharing` takes from the queue what may share its transaction. Never rejects. */
  run(job: Job, takeSharing: () => Job[]): Promise<void>;
  /** Told when work on something begins and ends. */
  onWork: ((work: OperationName | 'upkeep' | null) => void) | undefined;
}

export class JobQueue {
  readonly #runner: JobRunner;
  readonly #jobs: Job[] = [];
  readonly #waitingForRest: (() => void)[] = [];
  #isWorking = false;

  constructor(runner: JobRunner) {
    this.#runner = runner;
  }

  add(job: Job): void {
    this.#jobs.push(job);
    void this.#work();
  }

  /** Does something of its owner's where nothing else is being done. `work` never rejects, and ends soon once `isQuiet` does not hold. */
  async whenNobodyWaits(work: (isQuiet: () => boolean) => Promise<void>): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#runner.onWork?.('upkeep');
    await work(() => this.#jobs.length === 0);
    this.#runner.onWork?.(null);
    this.#isWorking = false;
    void this.#work();
  }

  /** Resolves once nothing is being done and nothing waits. */
  async untilRest(): Promise<void> {
    if (this.#isWorking) await new Promise<void>((resolve) => this.#waitingForRest.push(resolve));
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      const first = job;
      this.#runner.onWork?.(first.operation);
      await this.#runner.run(first, () => this.#takeSharing(first));
    }
    this.#runner.onWork?.(null);
    this.#isWorking = false;
    for (const resolve of this.#waitingForRest.splice(0)) resolve();
  }

  /** Writes that wait may overtake reads that wait: they are answered sooner and nobody can tell. */
  #takeSharing(first: Job): Job[] {
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
}
