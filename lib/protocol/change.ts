/**
 * Between the flat changes of the wire and those the stores take. Each is parsed by itself: what one does wrong holds
 * up no other. Each entry is checked and hashed once, however often its hash is needed.
 */
import { type Entry, parse, parseEntry } from '../core/entry.ts';
import { SmError, toSmError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';
import { fromColumns } from './columns.ts';
import { type HashedContent, toHashedContent } from './hash.ts';
import { wireChangeId } from './identity.ts';
import { type Change, changeFields, type EntryColumns } from './wire.ts';

/** What is no id is kept with the reason of its refusal, as text that can be stored and shown. */
const REFUSED_ID_CHARACTERS_MAX = 64;

/** A change that has passed every check, with its content as it is hashed. */
export type CheckedChange = Change & HashedContent;

/** What became of one item of a request or an answer: the change, or what is wrong with it. */
export type ParsedChange = { change: CheckedChange } | { changeId: string; error: SmError };

/** What an item calls itself, unchecked, and what became of it. */
export interface ReadChange {
  named: { changeId: unknown; seq: unknown };
  parsed: ParsedChange;
}

/**
 * @param workspaceId the workspace of the key: entries that name none are filed there; those that name another are
 *   refused with `forbidden`
 */
export function parseChange(input: unknown, workspaceId: string): ParsedChange {
  const fields = toFields(input);
  return assemble(fields, checkEntry(fields), workspaceId);
}

/** Of a request or an answer with a list of changes. */
export function readList(changes: readonly unknown[], workspaceId: string): ReadChange[] {
  return changes.map((input) => {
    const fields = toFields(input);
    return readOne(fields, checkEntry(fields), workspaceId);
  });
}

/** Of columns, with the ids that were left out. What is no entry gets an id that no other has. */
export function readColumns(columns: EntryColumns | Record<string, unknown>, workspaceId: string): ReadChange[] {
  let unnamed = 0;
  return fromColumns(columns).map((row) => {
    const checked = checkEntry(row);
    const { replicaId, entryId, updatedAt } = row;
    // Who has no name to be derived from is refused for that.
    if (row['changeId'] === null && typeof replicaId === 'string' && typeof entryId === 'string') {
      const hash = 'error' in checked ? `unnamed ${(unnamed += 1)}` : checked.hash;
      row['changeId'] = wireChangeId({ replicaId, entryId, updatedAt: updatedAt as number, hash });
    }
    return readOne(row, checked, workspaceId);
  });
}

function readOne(fields: Record<string, unknown>, checked: CheckedEntry, workspaceId: string): ReadChange {
  const { changeId, seq } = fields;
  return { named: { changeId, seq }, parsed: assemble(fields, checked, workspaceId) };
}

type CheckedEntry = ({ entry: Entry } & HashedContent) | { error: SmError };

function checkEntry(fields: Record<string, unknown>): CheckedEntry {
  try {
    const entry = parseEntry(fields);
    return { entry, ...toHashedContent(entry) };
  } catch (error) {
    return { error: toSmError(error) };
  }
}

function assemble(fields: Record<string, unknown>, checked: CheckedEntry, workspaceId: string): ParsedChange {
  try {
    const { changeId, base, replicaId, seq, replaces } = parse(changeFields, fields, 'request');
    if ('error' in checked) throw checked.error;
    const filed = checked.entry.workspaceId === '' ? fileUnder(checked.entry, workspaceId) : checked;
    const { entry, content, hash } = filed;
    if (entry.workspaceId !== workspaceId) throw otherWorkspace();
    const change: CheckedChange = { changeId, base, replicaId, entry, content, hash };
    if (replaces !== undefined && replaces.length > 0) change.replaces = replaces;
    if (seq !== undefined) change.seq = seq;
    return { change };
  } catch (error) {
    const { changeId } = fields;
    const shown = typeof changeId === 'string' ? plainText(changeId, REFUSED_ID_CHARACTERS_MAX) : '';
    return { changeId: shown, error: toSmError(error) };
  }
}

function fileUnder(unfiled: Entry, workspaceId: string): { entry: Entry } & HashedContent {
  const entry = { ...unfiled, workspaceId };
  return { entry, ...toHashedContent(entry) };
}

function toFields(input: unknown): Record<string, unknown> {
  return (typeof input === 'object' && input !== null ? input : {}) as Record<string, unknown>;
}

function otherWorkspace(): SmError {
  return new SmError({
    code: 'forbidden',
    message: 'workspaceId: is not the workspace of this key.',
    details: { field: 'workspaceId' },
  });
}
