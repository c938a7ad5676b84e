/**
 * Where pushes are read: small ones at once, large ones in threads of their own, so that one is read while the one before
 * it is being stored. Owns the threads. Invariant: a read asked for is given, whatever becomes of a thread; it is the same
 * wherever it was made (push-reading.ts). Order is its callers' to see to.
 */
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { errorFromJson, SmError } from '../core/errors.ts';
import type { PackedBody } from '../protocol/body.ts';
import { assetPath } from '../store/assets.ts';
import { type PushTerms, type ReadPush, readPush } from './push-reading.ts';
import type { ReaderMessage, ReadingTask } from './reader-messages.ts';

/** Bytes of a packed body below which its reading takes less time than it takes to hand it over. */
const HANDED_OVER_BYTES_MIN = 16 * 1024;
const THREADS_MAX = 4;
/** What may wait for threads or be in them; a body beyond either is read at once, and so slows down what comes in. */
const WAITING_MAX = 64;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** After one has died none is started for so many milliseconds: what kills one may kill the next. */
const RESTART_MS = 10_000;

/** One for each core that the store does not keep busy. */
export function readerThreadsOf(cores: number = os.availableParallelism()): number {
  return Math.min(THREADS_MAX, Math.max(1, cores - 1));
}

export interface ReadersOptions {
  /** The thread's program; by default the one that is shipped. */
  workerFile?: string;
  handedOverBytesMin?: number;
  /** A clock that never goes back, milliseconds. */
  nowMs?: () => number;
  /** Told once where a thread ended that should not have. */
  onDeath?: (reason: string) => void;
}

interface Waiting extends Omit<ReadingTask, 'id'> {
  resolve: (read: ReadPush) => void;
  reject: (error: unknown) => void;
}

interface Thread {
  worker: Worker;
  isReady: boolean;
  waiting: Map<number, Waiting>;
}

export class Readers {
  readonly #threadsMax: number;
  readonly #options: ReadersOptions;
  readonly #nowMs: () => number;
  readonly #threads = new Set<Thread>();
  #lastId = 0;
  #waitingBytes = 0;
  #diedMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  /** @param threads how many there may be; they are started when the first large body comes */
  constructor(threads: number, options: ReadersOptions = {}) {
    this.#threadsMax = threads;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Threads that were started and have not ended, and those of them that read already. */
  get threads(): { started: number; ready: number } {
    return { started: this.#threads.size, ready: this.#ready().length };
  }

  /** Whether a body is for a thread, where there is one. */
  isLarge({ bytes }: PackedBody): boolean {
    return bytes.length >= (this.#options.handedOverBytesMin ?? HANDED_OVER_BYTES_MIN);
  }

  /** @throws SmError as `readPush` */
  async read(body: PackedBody, terms: PushTerms): Promise<ReadPush> {
    const thread = this.isLarge(body) ? this.#chooseThread(body.bytes.length) : undefined;
    return thread === undefined ? readPush(body, terms) : this.#handOver(thread, body, terms);
  }

  /** Ends the threads. What they have not read yet is read here, as is what is still asked for. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  /** The one with the least to do; undefined where none is ready, or enough is waiting. */
  #chooseThread(bytes: number): Thread | undefined {
    if (this.#isClosed) return undefined;
    const ready = this.#ready();
    const isBusy = ready.length === this.#threads.size && ready.every(({ waiting }) => waiting.size > 0);
    if (isBusy && this.#threads.size < this.#threadsMax) this.#start();
    const waiting = ready.reduce((sum, thread) => sum + thread.waiting.size, 0);
    if (waiting >= WAITING_MAX || this.#waitingBytes + bytes > WAITING_BYTES_MAX) return undefined;
    return ready.toSorted((one, other) => one.waiting.size - other.waiting.size)[0];
  }

  #ready(): Thread[] {
    return [...this.#threads].filter(({ isReady }) => isReady);
  }

  #start(): void {
    if (this.#nowMs() - this.#diedMs < RESTART_MS) return;
    let worker: Worker;
    try {
      worker = new Worker(this.#options.workerFile ?? assetPath('reader.js'), { name: 'reader' });
    } catch (error) {
      this.#noteDeath(`does not start: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    const thread: Thread = { worker, isReady: false, waiting: new Map() };
    this.#threads.add(thread);
    worker.on('message', (message: ReaderMessage) => this.#receive(thread, message));
    worker.on('error', (error) => this.#lose(thread, `crashed: ${error.message}`));
    worker.on('exit', (code) => this.#lose(thread, `ended with code ${code}`));
    worker.unref();
  }

  #handOver(thread: Thread, body: PackedBody, terms: PushTerms): Promise<ReadPush> {
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      thread.waiting.set(this.#lastId, { body, terms, resolve, reject });
      this.#waitingBytes += body.bytes.length;
      thread.worker.ref();
      // Copied: it is read here where the thread dies.
      thread.worker.postMessage({ id: this.#lastId, body, terms } satisfies ReadingTask);
    });
  }

  #receive(thread: Thread, message: ReaderMessage): void {
    if (message.type === 'ready') {
      thread.isReady = true;
      return;
    }
    const waiting = thread.waiting.get(message.id);
    if (waiting === undefined) return;
    this.#let(thread, message.id, waiting);
    if (message.type === 'read') waiting.resolve(withBuffer(message.read));
    else waiting.reject(refusalOf(message));
  }

  #let(thread: Thread, id: number, { body }: Waiting): void {
    thread.waiting.delete(id);
    this.#waitingBytes -= body.bytes.length;
    if (thread.waiting.size === 0) thread.worker.unref();
  }

  /** Nobody hears of it: what it had not read yet is read here. */
  #lose(thread: Thread, reason: string): void {
    if (!this.#threads.delete(thread)) return;
    if (!this.#isClosed) this.#noteDeath(reason);
    void thread.worker.terminate();
    for (const [id, waiting] of thread.waiting) {
      this.#let(thread, id, waiting);
      try {
        waiting.resolve(readPush(waiting.body, waiting.terms));
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  #noteDeath(reason: string): void {
    this.#diedMs = this.#nowMs();
    this.#options.onDeath?.(reason);
  }
}

/** What crosses between threads as a Buffer comes as bytes. */
function withBuffer(read: ReadPush): ReadPush {
  const { rows } = read.push;
  return { ...read, push: { ...read.push, rows: Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength) } };
}

function refusalOf({ error, cause }: Extract<ReaderMessage, { type: 'refused' }>): SmError {
  const refusal = errorFromJson(error);
  if (cause === undefined) return refusal;
  return new SmError({ ...error, code: refusal.code, cause });
}
