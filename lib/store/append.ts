/**
 * The one way in which anything is written: changes are appended to the log and merged into the entries by one
 * statement, in the caller's transaction. The merge law in SQL is the function brain_append (migrations/); the law
 * itself is core/merge.ts, and a test holds them equal.
 * Invariant: an entry row is always the greatest stamp that the log holds for it.
 */
import { sql } from 'drizzle-orm';
import type { MergeOutcome } from '../core/merge.ts';
import { type Database, rowsOf } from './database.ts';
import { toHashedContent } from '../protocol/hash.ts';
import { joinJsonRows, type JsonRow, toJsonRows } from './json-rows.ts';
import { type VersionFields, versionColumns } from './log-rows.ts';
import type { StorePeer } from './sync-meta.ts';

/** A version about to be written. `base` is the hash of the version it was written on, `replaces` names further ones. */
export interface NewChange extends VersionFields {
  receivedAt: number;
  origin: string;
  /** The change that it withdraws; the caller makes the entry anew (sync-log.ts). */
  withdraws?: string;
}

/**
 * Appends `changes` in their order and merges each. A `changeId` that the log has already is left alone, and so is one
 * from a server that is the very same version as one in the log.
 * @returns the outcome of every change by its id; one that was already in the log is `duplicate`
 */
export async function appendChanges(transaction: Database, changes: NewChange[]): Promise<Map<string, MergeOutcome>> {
  const outcomes = new Map<string, MergeOutcome>(changes.map(({ changeId }) => [changeId, 'duplicate']));
  if (changes.length === 0) return outcomes;
  const rows = await rowsOf<{ change_id: string; outcome: MergeOutcome }>(
    transaction,
    sql`SELECT appended_id AS change_id, appended_outcome AS outcome
      FROM brain_append(${toJsonRows(changes.map(changeToRow))}::json)`,
  );
  for (const row of rows) outcomes.set(row.change_id, row.outcome);
  return outcomes;
}

function changeToRow(change: NewChange, position: number): JsonRow {
  const { content, hash } = toHashedContent(change.entry);
  const { receivedAt, origin, withdraws = null } = change;
  return [{ ...versionColumns(change, hash, position), received_at: receivedAt, origin, withdraws }, content];
}

export interface PageRows {
  /** Of its changes in their order, the entry that each is of, and its row (log-rows.ts). */
  entryIds: readonly string[];
  rows: readonly string[];
  receivedAt: number;
  cursor: { projectId: string; value: number; epoch: string | null } | undefined;
}

export interface TakenPage {
  applied: number;
  superseded: number;
  /** Entries that are filed under another workspace, whose changes were left out. */
  elsewhere: ReadonlySet<string>;
}

/**
 * Appends a page of a pull as `appendChanges` does, moves its cursor forward, never back, and passes over what came with it
 * when the next changes to push are looked for.
 */
export async function takePage(transaction: Database, peer: StorePeer, page: PageRows): Promise<TakenPage> {
  const { projectId = '', value = null, epoch = null } = page.cursor ?? {};
  const take = async (indices: readonly number[]) => {
    const [row] = await rowsOf<{ out_applied: number; out_superseded: number; out_elsewhere: string[] | null }>(
      transaction,
      sql`SELECT * FROM brain_take(${peer.endpoint}, ${peer.workspaceId},
        ${joinJsonRows(indices.map((index) => page.rows[index] ?? ''))}::json,
        ${JSON.stringify(indices.map((index) => page.entryIds[index]))}::json, ${page.receivedAt}::bigint,
        ${projectId}, ${value}::bigint, ${epoch})`,
    );
    if (row === undefined) throw new Error('brain_take gave no row');
    return row;
  };
  const all = [...page.rows.keys()];
  const first = await take(all);
  const elsewhere = new Set(first.out_elsewhere);
  const taken =
    elsewhere.size === 0 ? first : await take(all.filter((index) => !elsewhere.has(page.entryIds[index] ?? '')));
  return { applied: taken.out_applied, superseded: taken.out_superseded, elsewhere };
}
