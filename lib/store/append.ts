/**
 * The one way in which anything is written: changes are appended to the log and merged into the entries by one
 * statement, in the caller's transaction. The merge law in SQL is the function brain_append (migrations/); the law
 * itself is core/merge.ts, and a test holds them equal.
 * Invariant: an entry row is always the greatest stamp that the log holds for it.
 */
import { sql } from 'drizzle-orm';
import type { Entry } from '../core/entry.ts';
import type { MergeOutcome } from '../core/merge.ts';
import { type Database, rowsOf } from './database.ts';
import { type JsonRow, toJsonRows } from './json-rows.ts';
import { type HashedContent, toHashedContent } from '../protocol/hash.ts';

/** A version about to be written. `base` is the hash of the version it was written on. */
export interface NewChange {
  changeId: string;
  base: string | null;
  replicaId: string;
  receivedAt: number;
  origin: string;
  entry: Entry;
  /** Of the entry, where it is known already. */
  hashed?: HashedContent;
  /** Hashes of further versions that it replaces. */
  replaces?: string[];
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
  const { entryId, workspaceId, projectId, updatedAt } = change.entry;
  const { content, hash } = change.hashed ?? toHashedContent(change.entry);
  return {
    position,
    change_id: change.changeId,
    entry_id: entryId,
    workspace_id: workspaceId,
    project_id: projectId,
    base: change.base,
    hash,
    replica_id: change.replicaId,
    updated_at: updatedAt,
    received_at: change.receivedAt,
    origin: change.origin,
    content,
    replaces: change.replaces ?? [],
    withdraws: change.withdraws ?? null,
  };
}
