/**
 * The writes: record, edit, supersede, retract, import. Each plans with what it reads inside the transaction and
 * appends once, at its end; whatever it refuses it refuses before it has written anything, so that requests of
 * several callers can share a transaction.
 */
import { canonicalContent } from '../core/canonical.ts';
import { draftToContent, type Entry, type EntryContent, parseDraft, parseEdit, parseEntry } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { AGENT_CHARACTERS_MAX, BATCH_CHANGES_MAX, SCOPE_CHARACTERS_MAX } from '../core/limits.ts';
import { appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { type EntryWithHash, readEntries } from '../store/read.ts';
import type {
  EditRequest,
  ImportRequest,
  ImportResult,
  RecordRequest,
  RetractRequest,
  SupersedeRequest,
} from './contract.ts';
import { findEntry } from './references.ts';
import {
  currentEntries,
  entryIdsOf,
  findEarlierRun,
  type Version,
  type WriteContext,
  writeVersions,
} from './writer.ts';

/** Records drafts as new entries; with `supersedes`, in the same transaction, retires the entry it replaces. */
export async function record(transaction: Database, context: WriteContext, request: RecordRequest): Promise<Entry[]> {
  requireScope(request);
  const drafts = requireBatch(request.drafts, 'drafts').map((draft) => parseDraft(draft));
  if (request.supersedes !== undefined && drafts.length !== 1) {
    throw new SmError({ code: 'bad_request', message: 'supersedes: goes with exactly one new entry.' });
  }
  // Other requests find out by appending whether they have been here before; this one would be refused by then.
  if (request.supersedes !== undefined) {
    const earlier = await findEarlierRun(transaction, request.requestId, drafts.length);
    if (earlier.length > 0) return currentEntries(transaction, entryIdsOf(earlier));
  }
  const nowMs = context.nowMs();
  const contents = drafts.map((draft) =>
    draftToContent(draft, { ...request.scope, agent: request.agent, entryId: context.createEntryId(nowMs), nowMs }),
  );
  const hasChosenIds = drafts.some(({ entryId }) => entryId !== undefined);
  if (hasChosenIds && (await isRepetition(transaction, contents))) {
    return currentEntries(
      transaction,
      contents.map(({ entryId }) => entryId),
    );
  }
  const versions: Version[] = contents.map((content) => ({ content }));
  if (request.supersedes !== undefined) {
    const old = await findEntry(transaction, {
      workspaceId: request.scope.workspaceId,
      idOrPrefix: request.supersedes,
    });
    versions.push(supersededVersion(old, contents[0]?.entryId ?? ''));
  }
  const written = await writeVersions(transaction, context, request.requestId, versions);
  return written.slice(0, drafts.length);
}

export async function edit(transaction: Database, context: WriteContext, request: EditRequest): Promise<Entry> {
  const changed = parseEdit(request.edit);
  return rewrite(transaction, context, request, (entry) => ({ ...entry, ...changed }));
}

/** Takes an entry back. It stays in the log, and can be seen with `--all`; it is not recalled. */
export async function retract(transaction: Database, context: WriteContext, request: RetractRequest): Promise<Entry> {
  return rewrite(transaction, context, request, (entry) => ({ ...entry, status: 'retracted' }));
}

/** Says that `newId` replaces `oldId`. */
export async function supersede(
  transaction: Database,
  context: WriteContext,
  request: SupersedeRequest,
): Promise<{ old: Entry; new: Entry }> {
  const { workspaceId } = request;
  const replacement = await findEntry(transaction, { workspaceId, idOrPrefix: request.newId });
  const old = await findEntry(transaction, { workspaceId, idOrPrefix: request.oldId });
  const earlier = await findEarlierRun(transaction, request.requestId, 1);
  if (earlier.length > 0) return { old: old.entry, new: replacement.entry };
  if (replacement.entry.status !== 'active') {
    throw new SmError({
      code: 'conflict',
      message: `${replacement.entry.entryId} is itself ${replacement.entry.status} and cannot replace another entry.`,
      hint: 'Name an active entry as the new one.',
    });
  }
  const [written] = await writeVersions(transaction, context, request.requestId, [
    supersededVersion(old, replacement.entry.entryId),
  ]);
  return { old: written ?? old.entry, new: replacement.entry };
}

/** Merges changes that were written elsewhere, stamps and all. */
export async function importChanges(
  transaction: Database,
  context: WriteContext,
  request: ImportRequest,
): Promise<ImportResult> {
  const receivedAt = Math.floor(context.nowMs());
  const result: ImportResult = { applied: 0, superseded: 0, duplicate: 0 };
  const changes = requireBatch(request.changes, 'changes').map((change) => ({
    changeId: change.changeId,
    base: change.base,
    replicaId: change.replicaId,
    receivedAt,
    origin: request.origin,
    entry: parseEntry(change.entry),
  }));
  const outcomes = await appendChanges(transaction, changes);
  for (const change of changes) result[outcomes.get(change.changeId) ?? 'duplicate'] += 1;
  return result;
}

/** Writes a new version of one existing entry; a change that changes nothing is not written. */
async function rewrite(
  transaction: Database,
  context: WriteContext,
  request: EditRequest | RetractRequest,
  change: (entry: Entry) => Entry,
): Promise<Entry> {
  const current = await findEntry(transaction, request.reference);
  const earlier = await findEarlierRun(transaction, request.requestId, 1);
  if (earlier.length > 0) return current.entry;
  const content = withoutStamp(change(current.entry));
  if (canonicalContent(content) === canonicalContent(withoutStamp(current.entry))) return current.entry;
  const [written] = await writeVersions(transaction, context, request.requestId, [{ content, current }]);
  return written ?? current.entry;
}

function supersededVersion(old: EntryWithHash, replacementId: string): Version {
  if (old.entry.entryId === replacementId) {
    throw new SmError({
      code: 'conflict',
      message: 'An entry cannot supersede itself.',
      hint: 'Use "sm brain edit" to change it.',
    });
  }
  if (old.entry.status !== 'active') {
    const by = old.entry.supersededBy === undefined ? '' : ` by ${old.entry.supersededBy}`;
    throw new SmError({
      code: 'conflict',
      message: `${old.entry.entryId} is ${old.entry.status}${by} already.`,
      hint: `"sm brain history ${old.entry.entryId}" shows how that came about.`,
    });
  }
  return {
    content: { ...withoutStamp(old.entry), status: 'superseded', supersededBy: replacementId },
    current: old,
  };
}

/**
 * Whether every entry is there already with the very same content: recording it again is no error.
 * @throws SmError `exists` where another entry has one of the ids
 */
async function isRepetition(transaction: Database, contents: EntryContent[]): Promise<boolean> {
  const ids = contents.map(({ entryId }) => entryId);
  if (new Set(ids).size < ids.length) {
    throw new SmError({ code: 'bad_request', message: 'entryId: two of the new entries have the same id.' });
  }
  const taken = await readEntries(transaction, ids);
  if (taken.size === 0) return false;
  const changed = contents.find((content) => {
    const known = taken.get(content.entryId)?.entry;
    return known !== undefined && !isSameRecord(known, content);
  });
  if (changed === undefined && taken.size === contents.length) return true;
  const [firstTaken] = taken.keys();
  throw new SmError({
    code: 'exists',
    message: `An entry with the id ${changed?.entryId ?? firstTaken} exists already.`,
    hint: `Change it with "sm brain edit ${changed?.entryId ?? firstTaken} …", or leave the id out to get a new one.`,
  });
}

/** The same but for the time of creation, which a repeated command takes anew. */
function isSameRecord(known: Entry, content: EntryContent): boolean {
  const comparable = { ...withoutStamp(known), createdAt: content.createdAt };
  return canonicalContent(comparable) === canonicalContent(content);
}

function withoutStamp({ updatedAt: _, ...content }: Entry): EntryContent {
  return content;
}

function requireBatch<T>(items: T[], field: string): T[] {
  if (items.length >= 1 && items.length <= BATCH_CHANGES_MAX) return items;
  throw new SmError({ code: 'bad_request', message: `${field}: must have 1 to ${BATCH_CHANGES_MAX} items.` });
}

function requireScope({ scope, agent }: RecordRequest): void {
  const values: [string, string, number][] = [
    ['workspaceId', scope.workspaceId, SCOPE_CHARACTERS_MAX],
    ['projectId', scope.projectId, SCOPE_CHARACTERS_MAX],
    ['agent', agent, AGENT_CHARACTERS_MAX],
  ];
  for (const [field, value, charactersMax] of values) {
    if (value.length > charactersMax || /\p{Cc}|\p{Surrogate}/u.test(value)) {
      throw new SmError({
        code: 'bad_request',
        message: `${field}: must be plain text of at most ${charactersMax} characters.`,
      });
    }
  }
  if (agent.trim() === '') throw new SmError({ code: 'bad_request', message: 'agent: must not be empty.' });
}
