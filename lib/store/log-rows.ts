/** Changes as rows of the log: functions of the change alone, which need no database. */
import type { Entry } from '../core/entry.ts';
import type { CheckedChange } from '../protocol/change.ts';
import { toJsonRow } from './json-rows.ts';

/** What a row says of a version, wherever that comes from. */
export interface VersionFields {
  changeId: string;
  base: string | null;
  replicaId: string;
  replaces?: string[];
  entry: Entry;
}

/** All columns but the content, and but when it came and from where. */
export function versionColumns(
  { changeId, base, replicaId, replaces = [], entry }: VersionFields,
  hash: string,
  position: number,
) {
  const { entryId, workspaceId, projectId, updatedAt } = entry;
  return {
    position,
    change_id: changeId,
    entry_id: entryId,
    workspace_id: workspaceId,
    project_id: projectId,
    base,
    hash,
    replica_id: replicaId,
    updated_at: updatedAt,
    replaces,
  };
}

/** A change that was pulled, as JSON for `takePage` (append.ts), which tells when it came and from where. */
export function toPageRow(change: CheckedChange, position: number): string {
  return toJsonRow(versionColumns(change, change.hash, position), change.content);
}
