/**
 * The vectors that questions are held against, in memory: read at the first question about a workspace, and kept true as
 * new ones are written. Bounded in bytes; what does not fit is found by its words alone.
 */
import type { Meaning, StoredVector } from '../core/embedding.ts';
import type { Database } from '../store/database.ts';
import { fromBase64, readVectors, readVectorState } from './vector-tables.ts';
import { type Nearness, VectorTable } from './vectors.ts';

const BYTES_MAX = 96 * 1024 * 1024;
const PAGE_ROWS = 2_048;
/** The nearest that are looked at beside what has the words. */
const NEAREST_MAX = 40;

export class VectorMemory {
  #generation = '';
  readonly #tables = new Map<string, VectorTable>();

  /** Undefined where there is nothing to compare with. */
  async nearnessTo(database: Database, workspaceId: string, meaning: Meaning): Promise<Nearness | undefined> {
    const question = fromBase64(meaning.vector);
    const state = await readVectorState(database);
    if (state?.generation !== meaning.generation || state.dimensions !== question.length) return undefined;
    if (state.generation !== this.#generation) this.#tables.clear();
    this.#generation = state.generation;
    const table = this.#tables.get(workspaceId) ?? (await this.#load(database, workspaceId, state.dimensions));
    return table.nearnessTo(question, NEAREST_MAX);
  }

  /** What was committed. */
  note(generation: string, vectors: readonly StoredVector[]): void {
    if (generation !== this.#generation) return;
    for (const { entryId, workspaceId, data } of vectors) {
      const table = this.#tables.get(workspaceId);
      const isRoom = table !== undefined && table.size < rowsMax(table.dimensions);
      if (isRoom) table.set(entryId, fromBase64(data));
    }
  }

  async #load(database: Database, workspaceId: string, dimensions: number): Promise<VectorTable> {
    // One workspace at a time is what a person asks about.
    this.#tables.clear();
    const table = new VectorTable(dimensions);
    for (let afterId = ''; ;) {
      const page = await readVectors(database, { workspaceId, afterId, limit: PAGE_ROWS });
      for (const { entryId, vector } of page) table.set(entryId, vector);
      afterId = page.at(-1)?.entryId ?? afterId;
      if (page.length < PAGE_ROWS || table.size >= rowsMax(dimensions)) break;
    }
    this.#tables.set(workspaceId, table);
    return table;
  }
}

function rowsMax(dimensions: number): number {
  return Math.floor(BYTES_MAX / dimensions);
}
