/**
 * The store of a server on its own: an embedded PostgreSQL in this process, durable in a directory that it locks, or in
 * memory. Pushes that wait together share one commit. Invariant: what a call resolves with is on the disk; a database
 * that can no longer be trusted answers nothing more, and says so to its owner.
 */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { StoreUpkeep } from '../brain/upkeep.ts';
import { SmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { isPoisoned, sqlStateOf, toStoreError } from '../store/database.ts';
import { openMemoryStore, openPgliteStore, type OpenStore } from '../store/pglite.ts';
import { ensureServerData, lockServerDirectory, newServerSchema, serverSchema } from './data-directory.ts';
import type { Query, SqlRunner } from './sql-runner.ts';
import { SqlStore } from './sql-store.ts';
import { StoreEvents } from './store-events.ts';
import type { ChangeStore } from './store.ts';

/** Writes that share one commit at most. */
const WRITES_PER_COMMIT_MAX = 64;
const IDLE_UPKEEP_MS = 5_000;

export type EmbeddedStoreOptions = (
  | { dataDirectory: string; memory?: false }
  /** Nothing is kept: for tests, the stub and trying things out. */
  | { memory: true }
) & {
  /** Told once when the database can no longer be trusted; the process should end and be started again. */
  onPoison?: (error: SmError) => void;
  /** The id of a new server's history; random where it is not given. */
  epoch?: string;
};

/** Opens the embedded store, making it where there is none. @throws SmError */
export async function openEmbeddedServerStore(options: EmbeddedStoreOptions): Promise<ChangeStore> {
  const opened = options.memory === true ? await openInMemory() : await openInDirectory(options.dataDirectory);
  const upkeep = await StoreUpkeep.open(opened.store, opened.directory, 'server');
  const runner = new EmbeddedRunner({
    ...opened,
    upkeep,
    isDurable: options.memory !== true,
    onPoison: options.onPoison,
  });
  await runner.query(`INSERT INTO server_meta (key, value) VALUES ('epoch', $1) ON CONFLICT (key) DO NOTHING`, [
    options.epoch ?? randomUUID(),
  ]);
  return new SqlStore(runner);
}

interface Opened {
  store: OpenStore;
  directory: string;
  release: () => void;
}

async function openInMemory(): Promise<Opened> {
  const store = await openMemoryStore(newServerSchema());
  return { store, directory: os.tmpdir(), release: () => undefined };
}

async function openInDirectory(directory: string): Promise<Opened> {
  const lock = lockServerDirectory(directory);
  try {
    const store = await openPgliteStore(await ensureServerData(directory), serverSchema());
    return { store, directory, release: () => lock.release() };
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Write {
  text: string;
  values: readonly unknown[];
  bytes: number;
  resolve: (rows: unknown[]) => void;
  reject: (error: unknown) => void;
}

interface RunnerParts extends Opened {
  upkeep: StoreUpkeep;
  isDurable: boolean;
  onPoison: ((error: SmError) => void) | undefined;
}

class EmbeddedRunner implements SqlRunner {
  readonly kind = 'embedded';
  readonly #parts: RunnerParts;
  readonly #events = new StoreEvents();
  readonly #waiting: Write[] = [];
  #working: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #poison: SmError | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  readonly watch: SqlRunner['watch'] = (listener) => this.#events.watch(listener);
  readonly announce: SqlRunner['announce'] = (event) => this.#events.emit(event);

  async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.#requireOpen();
    try {
      await this.#requireRoom(0);
      return (await this.#parts.store.client.query<Row>(text, [...values])).rows;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  write<Row>(text: string, values: readonly unknown[], bytes: number): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      this.#requireOpen();
      this.#waiting.push({ text, values, bytes, resolve: resolve as (rows: unknown[]) => void, reject });
      this.#working ??= this.#work();
    });
  }

  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    this.#requireOpen();
    try {
      await this.#requireRoom(0);
      return await this.#parts.store.client.transaction((transaction) =>
        work(async <Row>(text: string, values: readonly unknown[]) => {
          const { rows } = await transaction.query<Row>(text, [...values]);
          return rows;
        }),
      );
    } catch (error) {
      throw this.#explain(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await this.#working;
    await this.#parts.store.close();
    this.#parts.release();
  }

  async #work(): Promise<void> {
    for (let batch = this.#takeBatch(); batch.length > 0; batch = this.#takeBatch()) await this.#commit(batch);
    this.#working = undefined;
    if (this.#closing !== undefined) return;
    this.#idleTimer ??= setTimeout(() => {
      this.#idleTimer = undefined;
      this.#restWhereDue();
    }, IDLE_UPKEEP_MS).unref();
  }

  #takeBatch(): Write[] {
    let bytes = 0;
    const end = this.#waiting.findIndex((write, index) => {
      bytes += write.bytes;
      return index > 0 && (bytes > BATCH_BYTES_MAX || index >= WRITES_PER_COMMIT_MAX);
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  async #commit(writes: Write[]): Promise<void> {
    const requestBytes = writes.reduce((sum, { bytes }) => sum + bytes, 0);
    try {
      if (this.#poison !== undefined) throw this.#poison;
      await this.#requireRoom(requestBytes);
      const answers = await this.#parts.store.client.transaction(async (transaction) => {
        const results: unknown[][] = [];
        for (const { text, values } of writes) results.push((await transaction.query(text, [...values])).rows);
        return results;
      });
      writes.forEach((write, index) => write.resolve(answers[index] ?? []));
    } catch (error) {
      const explained = this.#explain(error);
      // One of them spoiled the transaction of all, or all of them are too much for the disk: each has its own.
      if (writes.length > 1 && this.#poison === undefined) {
        for (const write of writes) await this.#commit([write]);
        return;
      }
      for (const write of writes) write.reject(explained);
      return;
    }
    try {
      await this.#parts.upkeep.afterCommit({ changes: writes.length, requestBytes });
    } catch (error) {
      this.#explain(error); // Nobody's request; the next one meets the poison.
    }
  }

  /** Nobody has written for a while. Where there is nothing to do, nothing is begun: who writes waits for what is. */
  #restWhereDue(): void {
    if (this.#working !== undefined || this.#poison !== undefined || !this.#parts.upkeep.isDue) return;
    this.#working = this.#rest();
  }

  /** Ends later than it is called: else its end would be noted before its beginning, and every write would wait for it. */
  async #rest(): Promise<void> {
    try {
      await this.#parts.upkeep.whenIdle();
    } catch (error) {
      this.#explain(error);
    }
    this.#working = undefined;
    if (this.#waiting.length > 0) this.#working = this.#work();
  }

  /** Reading, too: pages that were written lately get hints when they are read, which go into the WAL. */
  async #requireRoom(requestBytes: number): Promise<void> {
    if (this.#parts.isDurable) await this.#parts.upkeep.requireRoom(requestBytes);
  }

  #requireOpen(): void {
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#closing !== undefined) {
      throw new SmError({ code: 'unavailable', message: 'The server is ending.', hint: 'Try again in a moment.' });
    }
  }

  #explain(error: unknown): SmError {
    if (error instanceof SmError) return error;
    const explained = toStoreError(error);
    // A failure that is not PostgreSQL's may be a slip in a statement's values, or the end of the database.
    if (sqlStateOf(error) === undefined) void this.#probe(explained);
    else if (isPoisoned(error)) this.#turnPoisonous(explained);
    return explained;
  }

  async #probe(explained: SmError): Promise<void> {
    try {
      await this.#parts.store.client.query('SELECT 1');
    } catch {
      this.#turnPoisonous(explained);
    }
  }

  #turnPoisonous(error: SmError): void {
    if (this.#poison !== undefined || this.#closing !== undefined) return;
    this.#poison = error;
    this.#parts.onPoison?.(error);
  }
}
