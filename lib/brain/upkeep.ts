/**
 * What keeps an open store small and out of trouble: checkpoints by the amount of WAL and when idle, vacuum after many
 * changes, and room on the disk before anything is written. Its caller sees to it that nothing else runs meanwhile.
 * Invariant: WAL stays below CHECKPOINT_WAL_BYTES and what is written between two looks at it.
 */
import { sql } from 'drizzle-orm';
import { SmError } from '../core/errors.ts';
import { DISK_RESERVE_BYTES } from '../core/limits.ts';
import { rowsOf } from '../store/database.ts';
import { freeBytesOf } from '../store/file-errors.ts';
import type { OpenStore } from '../store/pglite.ts';
import { CHECKPOINT_ROOM_BYTES, RETURN_BYTES } from '../store/placement.ts';

const CHECKPOINT_WAL_BYTES = 32 * 1024 * 1024;
/** The amount of WAL is looked at after so many transactions, or sooner after so many bytes of requests. */
const WAL_CHECK_TRANSACTIONS = 32;
const WAL_CHECK_BYTES = 1024 * 1024;
const VACUUM_AFTER_CHANGES = 2_000;
/** Disk that a byte of a request may take until the next checkpoint: 13 were measured with long texts of many words. */
const DISK_BYTES_PER_BYTE = 16;

/** Beside what is there stand what it was, what it becomes, and the WAL of both. */
const REBUILD_COPIES = 4;

/** Whose store it is: what a lack of room means differs. */
export type StoreOwner = 'brain' | 'server';

interface Shortage {
  freeBytes: number;
  neededBytes: number;
}

const SHORTAGES: Readonly<Record<StoreOwner, (shortage: Shortage) => SmError>> = {
  brain: ({ freeBytes, neededBytes }) =>
    new SmError({
      code: 'disk_full',
      message: `The disk that holds the brain is nearly full (${inKib(freeBytes)} free); nothing was written.`,
      hint: `It takes ${inMib(neededBytes)} of free disk: make room and run the command again. Reading still works, and everything acknowledged before is safe.`,
    }),
  server: ({ freeBytes, neededBytes }) =>
    new SmError({
      code: 'disk_full',
      message: `The disk that holds the server's data is nearly full (${inKib(freeBytes)} free); the request was refused.`,
      hint: `It takes ${inMib(neededBytes)} of free disk: make room, and the server goes on by itself. Everything acknowledged before is safe, and clients keep what is pending.`,
      details: { bytesMax: Math.max(0, Math.floor((freeBytes - DISK_RESERVE_BYTES) / DISK_BYTES_PER_BYTE)) },
    }),
};

function inKib(bytes: number): string {
  return `${Math.floor(bytes / 1024)} KiB`;
}

function inMib(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}

export class StoreUpkeep {
  readonly #store: OpenStore;
  readonly #directory: string;
  readonly #owner: StoreOwner;
  #transactionsSinceCheck = 0;
  #bytesSinceCheck = 0;
  #changesSinceCheckpoint = 0;
  #changesSinceVacuum = 0;
  #walBytesAtCheckpoint = 0;

  private constructor(store: OpenStore, directory: string, owner: StoreOwner) {
    this.#store = store;
    this.#directory = directory;
    this.#owner = owner;
  }

  static async open(store: OpenStore, directory: string, owner: StoreOwner): Promise<StoreUpkeep> {
    const upkeep = new StoreUpkeep(store, directory, owner);
    upkeep.#walBytesAtCheckpoint = await upkeep.#walBytes();
    return upkeep;
  }

  /** Whether anything has been written since the last checkpoint. */
  get isDue(): boolean {
    return this.#changesSinceCheckpoint > 0;
  }

  /** After a transaction: checkpoints where it is time. */
  async afterCommit(written: { changes: number; requestBytes: number }): Promise<void> {
    this.#changesSinceCheckpoint += written.changes;
    this.#changesSinceVacuum += written.changes;
    this.#transactionsSinceCheck += 1;
    this.#bytesSinceCheck += written.requestBytes;
    if (this.#transactionsSinceCheck < WAL_CHECK_TRANSACTIONS && this.#bytesSinceCheck < WAL_CHECK_BYTES) return;
    this.#transactionsSinceCheck = 0;
    this.#bytesSinceCheck = 0;
    if ((await this.#walBytes()) - this.#walBytesAtCheckpoint >= CHECKPOINT_WAL_BYTES) await this.#checkpoint();
  }

  /** When nobody is waiting: vacuum where many changes have been made, and a checkpoint. */
  async whenIdle(): Promise<void> {
    if (this.#store.isCopy) return;
    if (this.#changesSinceVacuum >= VACUUM_AFTER_CHANGES) {
      await this.#store.client.exec('VACUUM ANALYZE');
      this.#changesSinceVacuum = 0;
    }
    await this.#checkpoint();
  }

  /** Before a transaction. @throws SmError `disk_full` where the disk could not take it */
  requireRoom(requestBytes: number): Promise<void> {
    return this.#requireFree(DISK_RESERVE_BYTES + DISK_BYTES_PER_BYTE * requestBytes);
  }

  /** Before all entries of a brain are made anew. @throws SmError `disk_full` */
  async requireRoomToRebuild(): Promise<void> {
    const [row] = await rowsOf<{ bytes: string | number }>(
      this.#store.database,
      sql`SELECT pg_total_relation_size('brain_entries') + pg_total_relation_size('brain_postings') AS bytes`,
    );
    await this.#requireFree(DISK_RESERVE_BYTES + REBUILD_COPIES * Number(row?.bytes ?? 0));
  }

  /** Gives WAL that is not needed any more back to a disk that is short of room. Without any, it would end the database. */
  async giveBack(neededBytes: number): Promise<void> {
    if (!this.isDue || this.#store.isCopy) return;
    const freeBytes = freeBytesOf(this.#directory);
    if (freeBytes < neededBytes && freeBytes >= CHECKPOINT_ROOM_BYTES) await this.#checkpoint();
  }

  async #requireFree(bytes: number): Promise<void> {
    if (this.#hasFree(bytes)) return;
    await this.giveBack(bytes);
    if (this.#hasFree(bytes)) return;
    const freeBytes = freeBytesOf(this.#directory);
    const neededBytes = this.#store.isCopy ? Math.max(bytes, RETURN_BYTES) : bytes;
    throw SHORTAGES[this.#owner]({ freeBytes, neededBytes });
  }

  #hasFree(bytes: number): boolean {
    return !this.#store.isCopy && freeBytesOf(this.#directory) >= bytes;
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
}
