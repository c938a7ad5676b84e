/**
 * When recall's index is brought up to date: when nobody waits, and before a recall that would otherwise go through too
 * many entries one by one. Owns no truth: without it recall finds the same, later.
 */
import { SmError } from '../core/errors.ts';
import { countUnindexed } from '../recall/index-tables.ts';
import { indexStep, isIndexingDue } from '../recall/indexing.ts';
import type { Database } from '../store/database.ts';
import type { StoreUpkeep } from './upkeep.ts';

/** Entries that a recall goes through one by one; more of them are indexed first. */
const BACKLOG_MAX = 128;
/** What a step may write: a segment's postings and what they replace. */
const STEP_BYTES = 1024 * 1024;

export class IndexBacklog {
  /** False only after a look at the database found nothing to do, and nothing was written since. */
  isDue = true;
  readonly #database: Database;
  readonly #upkeep: StoreUpkeep;
  /** Entries that wait, at most; nobody has counted at first. */
  #waitingMax = Number.POSITIVE_INFINITY;

  constructor(database: Database, upkeep: StoreUpkeep) {
    this.#database = database;
    this.#upkeep = upkeep;
  }

  /** After a commit. */
  note(changes: number): void {
    this.#waitingMax += changes;
    this.isDue = true;
  }

  /** One step where there is reason to. @returns whether there was */
  async stepWhenIdle(): Promise<boolean> {
    this.isDue = await isIndexingDue(this.#database);
    return this.isDue && this.#step();
  }

  /** Before a recall. Where the disk is too full to write, the long way is taken instead. */
  async shorten(): Promise<void> {
    if (this.#waitingMax <= BACKLOG_MAX) return;
    while ((await this.#count()) > BACKLOG_MAX) {
      if (!(await this.#step())) return;
    }
  }

  async #count(): Promise<number> {
    this.#waitingMax = await countUnindexed(this.#database, BACKLOG_MAX + 1);
    return this.#waitingMax;
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
