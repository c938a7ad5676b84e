/**
 * Between the flat changes of the wire and those the stores take. Each is parsed by itself: what one does wrong holds
 * up no other.
 */
import { parse, parseEntry } from '../core/entry.ts';
import { SmError, toSmError } from '../core/errors.ts';
import { fromColumns } from './columns.ts';
import { hashContent } from './hash.ts';
import { type Change, changeFields, type EntryColumns } from './wire.ts';

/** A change that has passed every check, with its content's hash. */
export type CheckedChange = Change & { hash: string };

/** What became of one item of a request or an answer: the change, or what is wrong with it. */
export type ParsedChange = { change: CheckedChange } | { changeId: string; error: SmError };

/**
 * @param workspaceId the workspace of the key: entries that name none are filed there; those that name another are
 *   refused with `forbidden`
 */
export function parseChange(input: unknown, workspaceId: string): ParsedChange {
  const fields = (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
  try {
    const { seq, replaces, ...named } = parse(changeFields, fields, 'request');
    const entry = parseEntry({ ...fields, ...(fields['workspaceId'] === '' ? { workspaceId } : {}) });
    if (entry.workspaceId !== workspaceId) throw otherWorkspace();
    const { updatedAt: _, ...content } = entry;
    return {
      change: {
        ...named,
        ...(replaces === undefined || replaces.length === 0 ? {} : { replaces }),
        ...(seq === undefined ? {} : { seq }),
        entry,
        hash: hashContent(content),
      },
    };
  } catch (error) {
    const { changeId } = fields;
    return { changeId: typeof changeId === 'string' ? changeId.slice(0, 64) : '', error: toSmError(error) };
  }
}

/** Rows of columns, with the ids that were left out. What is no entry gets an id that no other has. */
export function rowsOfColumns(columns: EntryColumns | Record<string, unknown>): unknown[] {
  let unnamed = 0;
  return fromColumns(columns, (row) => {
    try {
      const { updatedAt: _, ...content } = parseEntry(row);
      return hashContent(content);
    } catch {
      return `unnamed ${(unnamed += 1)}`; // It will be refused by parseChange, which says why.
    }
  });
}

function otherWorkspace(): SmError {
  return new SmError({
    code: 'forbidden',
    message: 'workspaceId: is not the workspace of this key.',
    details: { field: 'workspaceId' },
  });
}
