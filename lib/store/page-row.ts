/** A change that was pulled, as its row of the log: a function of the change alone, which needs no database. */
import type { CheckedChange } from '../protocol/change.ts';
import { toJsonRow } from './json-rows.ts';

/** JSON for `takePage` (append.ts), which tells when it came and from where. */
export function toPageRow(change: CheckedChange, position: number): string {
  const { entryId, workspaceId, projectId, updatedAt } = change.entry;
  const columns = {
    position,
    change_id: change.changeId,
    entry_id: entryId,
    workspace_id: workspaceId,
    project_id: projectId,
    base: change.base,
    hash: change.hash,
    replica_id: change.replicaId,
    updated_at: updatedAt,
    replaces: change.replaces ?? [],
  };
  return toJsonRow(columns, change.content);
}
