/**
 * The vectors that questions are held against, in memory: read at the first question about a workspace, and kept true as
 * new ones are written. Bounded in bytes; what does not fit is found by its words alone.
 */
import type { Meaning, StoredVector } from '../core/embedding.ts';
import type { Database } from '../store/database.ts';
import { readVectors, readVectorState } from './vector-tables.ts';
import { fromBase64, type Nearness, VectorTable } from './vectors.ts';

const BYTES_MAX = 96 * 1024 * 1024;
const PAGE_ROWS = 2_048;
/** The nearest that are looked at beside what has the words. */
const NEAREST_MAX = 40;

export class VectorMemory {
  /** Of one workspace: that is what a person asks about. */
  #held: { generation: string; workspaceId: string; table: VectorTable } | undefined;

  /** Undefined where there is nothing to compare with. */
  async nearnessTo(database: Database, workspaceId: string, meaning: Meaning): Promise<Nearness | undefined> {
    const question = fromBase64(meaning.vector);
    const state = await readVectorState(database);
    if (state?.generation !== meaning.generation || state.dimensions !== question.length) return undefined;
    const { generation, dimensions } = state;
    if (this.#held?.generation !== generation || this.#held.workspaceId !== workspaceId) {
      // Two at once would be more than is allowed.
      this.#held = undefined;
      this.#held = { generation, workspaceId, table: await readTable(database, workspaceId, dimensions) };
    }
    return this.#held.table.nearnessTo(question, NEAREST_MAX);
  }

  /** What was committed. */
  note(generation: string, vectors: readonly StoredVector[]): void {
    const held = this.#held;
    if (held?.generation !== generation) return;
    for (const { entryId, workspaceId, data } of vectors) {
      const isRoom = held.table.size < rowsMax(held.table.dimensions);
      if (workspaceId === held.workspaceId && isRoom) held.table.set(entryId, fromBase64(data));
    }
  }
}

async function readTable(database: Database, workspaceId: string, dimensions: number): Promise<VectorTable> {
  const table = new VectorTable(dimensions);
  for (let afterId = ''; ;) {
    const page = await readVectors(database, { workspaceId, afterId, limit: PAGE_ROWS });
    for (const { entryId, vector } of page) table.set(entryId, vector);
    afterId = page.at(-1)?.entryId ?? afterId;
    if (page.length < PAGE_ROWS || table.size >= rowsMax(dimensions)) return table;
  }
}

function rowsMax(dimensions: number): number {
  return Math.floor(BYTES_MAX / dimensions);
}
