/** Changes as a store takes them: written once, as the JSON rows of one parameter of its statement. */
import { type JsonRow, toJsonRows } from '../store/json-rows.ts';
import type { NewServerChange, StoreRows } from './store.ts';

/** The rows of `changes`, in their order. */
export function toStoreRows(changes: readonly NewServerChange[]): StoreRows {
  return { rows: toJsonRows(changes.map(changeToRow)), count: changes.length };
}

function changeToRow(change: NewServerChange, position: number): JsonRow {
  const { entryId, projectId, updatedAt } = change.entry;
  const columns = {
    position,
    change_id: change.changeId,
    entry_id: entryId,
    project_id: projectId,
    base: change.base,
    replaces: change.replaces,
    hash: change.hash,
    echo_hash: change.echoHash ?? null,
    replica_id: change.replicaId,
    updated_at: updatedAt,
    claimed_at: change.claimedAt ?? null,
    seq: change.seq ?? null,
  };
  return [columns, change.content];
}
