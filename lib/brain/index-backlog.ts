/**
 * When recall's index is brought up to date: when nobody waits, soon where it is much, before a recall that would
 * otherwise go through too many entries one by one, and after a write where so many wait that the next recall would take
 * too long. Owns no truth: without it recall finds the same, later.
 */
import { SmError } from '../core/errors.ts';
import { countUnindexed, sumUnindexedText } from '../recall/segments.ts';
import { indexStep, isIndexingDue } from '../recall/indexing.ts';
import { SEGMENT_DOCUMENTS_MAX } from '../recall/postings.ts';
import type { Database } from '../store/database.ts';
import type { StoreUpkeep } from './upkeep.ts';

/** Entries that a recall goes through one by one; more of them are indexed first. */
const BACKLOG_MAX = 128;
/** The same of their text: a log of a thousand ids takes as long as a hundred notes. */
const BACKLOG_TEXT_BYTES_MAX = 256 * 1024;
/** So many are indexed as soon as nobody asks for a moment; fewer can wait for quiet. */
const LARGE_MIN = SEGMENT_DOCUMENTS_MAX;
/** So many may wait at most after a write: some three seconds of a recall that comes at once. */
const WAITING_MAX = 12 * SEGMENT_DOCUMENTS_MAX;
/** Steps of indexing when nobody waits; who comes meanwhile waits for one of them. */
const IDLE_STEPS_MAX = 256;
/** What a step may write: a segment's postings and what they replace. */
const STEP_BYTES = 1024 * 1024;

export class IndexBacklog {
  /** False only after a look at the database found nothing to do, and nothing was written since. */
  isDue = true;
  readonly #database: Database;
  readonly #upkeep: StoreUpkeep;
  /** Entries that wait, at most; nobody has counted at first. */
  #waitingMax = Number.POSITIVE_INFINITY;
  #waitingTextBytesMax = Number.POSITIVE_INFINITY;
  readonly #bound: number;

  /** @param bound entries that may wait after a write */
  constructor(database: Database, upkeep: StoreUpkeep, bound = WAITING_MAX) {
    this.#database = database;
    this.#upkeep = upkeep;
    this.#bound = bound;
  }

  /** After a commit: its writer has its answer, and the next waits where a load has become too large. */
  async note({ changes, requestBytes }: { changes: number; requestBytes: number }): Promise<void> {
    this.#waitingMax += changes;
    this.#waitingTextBytesMax += requestBytes;
    this.isDue = true;
    while ((await this.#count(this.#bound)) > this.#bound) {
      if (!(await this.#step())) return;
    }
  }

  async isLarge(): Promise<boolean> {
    return (await this.#count(LARGE_MIN)) > LARGE_MIN;
  }

  /** Steps as long as there is reason to, and nobody comes. */
  async stepsWhile(isQuiet: () => boolean): Promise<void> {
    for (let step = 0; step < IDLE_STEPS_MAX && isQuiet(); step += 1) {
      this.isDue = await isIndexingDue(this.#database);
      const wasDone = this.isDue && (await this.#step());
      await untilHeard();
      if (!wasDone) return;
    }
  }

  /** Before a recall. Where the disk is too full to write, the long way is taken instead. */
  async shorten(): Promise<void> {
    while ((await this.#count(BACKLOG_MAX)) > BACKLOG_MAX || (await this.#textBytes()) > BACKLOG_TEXT_BYTES_MAX) {
      if (!(await this.#step())) return;
    }
  }

  /** Text that waits, as far as it takes to tell whether it is too much; asked where few entries wait. */
  async #textBytes(): Promise<number> {
    if (this.#waitingTextBytesMax > BACKLOG_TEXT_BYTES_MAX) {
      this.#waitingTextBytesMax = await sumUnindexedText(this.#database);
    }
    return this.#waitingTextBytesMax;
  }

  /** Entries that wait, as far as it takes to tell whether they are more than `most`. */
  async #count(most: number): Promise<number> {
    if (this.#waitingMax <= most) return this.#waitingMax;
    const count = await countUnindexed(this.#database, most + 1);
    // Of more than that it is not known how many.
    if (count <= most) this.#waitingMax = count;
    return count;
  }

  async #step(): Promise<boolean> {
    try {
      await this.#upkeep.requireRoom(STEP_BYTES);
    } catch (error) {
      if (error instanceof SmError && error.code === 'disk_full') return false;
      throw error;
    }
    await this.#database.transaction((transaction) => indexStep(transaction));
    await this.#upkeep.afterCommit({ changes: 1, requestBytes: STEP_BYTES });
    return true;
  }
}

/** The database works without ever returning to the loop of events: only here is somebody heard who came meanwhile. */
function untilHeard(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
