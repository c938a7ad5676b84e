/**
 * The writes: record, edit, supersede, retract, import. Each plans with what it reads inside the transaction and
 * appends once, at its end; whatever it refuses it refuses before it has written anything, so that requests of
 * several callers can share a transaction.
 */
import { canonicalContent } from '../core/canonical.ts';
import {
  applyEdit,
  draftToContent,
  type Entry,
  type EntryContent,
  parseDraft,
  parseEdit,
  parseEntry,
} from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { provenanceRefs, subjectRefs, withProvenance } from '../core/provenance.ts';
import { standingAfter } from '../core/standing.ts';
import { appendChanges } from '../store/append.ts';
import type { Database } from '../store/database.ts';
import { type ChangeRecord, type EntryWithHash, readEntries, readHistory } from '../store/read.ts';
import { entriesWithWithdrawals, remakeEntries } from '../store/sync-log.ts';
import type {
  EditRequest,
  FeedbackRequest,
  ImportRequest,
  ImportResult,
  RecordRequest,
  RetractRequest,
  SupersedeRequest,
} from './contract.ts';
import { findEntry } from './references.ts';
import { currentEntries, findEarlierRun, type Version, type WriteContext, writeVersions } from './writer.ts';

/** Records drafts as new entries; with `supersedes`, in the same transaction, retires the entry it replaces. */
export async function record(transaction: Database, context: WriteContext, request: RecordRequest): Promise<Entry[]> {
  const drafts = request.drafts.map((draft) => parseDraft(draft));
  if (request.supersedes !== undefined && drafts.length !== 1) {
    throw new SmError({ code: 'bad_request', message: 'supersedes: goes with exactly one new entry.' });
  }
  const hasChosenIds = drafts.some(({ entryId }) => entryId !== undefined);
  // Other requests find out by appending whether they have been here before; these would be refused by then.
  if (request.supersedes !== undefined || hasChosenIds) {
    const earlier = await findEarlierRun(transaction, request.requestId, drafts.length);
    if (earlier.length > 0) return earlier.map(({ entry }) => entry);
  }
  const nowMs = context.nowMs();
  const madeAt = provenanceRefs(request.provenance ?? {});
  const contents = drafts.map((draft) => {
    const filled = { ...request.scope, agent: request.agent, entryId: context.createEntryId(nowMs), nowMs };
    const content = draftToContent(draft, filled);
    return { ...content, refs: withProvenance(content.refs, madeAt) };
  });
  if (hasChosenIds && (await isRepetition(transaction, contents, request.supersedes))) {
    return currentEntries(
      transaction,
      contents.map(({ entryId }) => entryId),
    );
  }
  if (request.supersedes === undefined && request.allowsEcho !== true) {
    const earlier = await refuseEcho(transaction, context, request.requestId, contents);
    if (earlier.length > 0) return earlier.map(({ entry }) => entry);
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
  return rewrite(transaction, context, request, (entry) => applyEdit(entry, changed));
}

/** Takes an entry back. It stays in the log, and can be seen with `--all`; it is not recalled. */
export async function retract(transaction: Database, context: WriteContext, request: RetractRequest): Promise<Entry> {
  return rewrite(transaction, context, request, (entry) => ({ ...entry, status: 'retracted' }));
}

export async function feedback(transaction: Database, context: WriteContext, request: FeedbackRequest): Promise<Entry> {
  return rewrite(transaction, context, request, (entry) => {
    if (entry.status !== 'active') {
      throw new SmError({
        code: 'conflict',
        message: `${entry.entryId} is ${stateOf(entry)}, and no longer shown to anybody.`,
        hint:
          entry.supersededBy === undefined
            ? 'Give feedback on an active entry.'
            : `Give feedback on ${entry.supersededBy}.`,
      });
    }
    return { ...entry, confidence: standingAfter(entry.confidence, request.verdict) };
  });
}

/** Says that `newId` replaces `oldId`. */
export async function supersede(
  transaction: Database,
  context: WriteContext,
  request: SupersedeRequest,
): Promise<{ old: Entry; new: Entry }> {
  const { workspaceId } = request;
  const [earlier] = await findEarlierRun(transaction, request.requestId, 1);
  if (earlier !== undefined) return { old: earlier.entry, new: await replacementAt(transaction, earlier) };
  const replacement = await findEntry(transaction, { workspaceId, idOrPrefix: request.newId });
  const old = await findEntry(transaction, { workspaceId, idOrPrefix: request.oldId });
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
  const changes = request.changes.map((change) => ({
    changeId: change.changeId,
    base: change.base,
    replicaId: change.replicaId,
    replaces: change.replaces ?? [],
    ...(typeof change.withdraws === 'string' ? { withdraws: change.withdraws } : {}),
    receivedAt,
    origin: request.origin,
    entry: parseEntry(change.entry),
  }));
  const outcomes = await appendChanges(transaction, changes);
  // A withdrawal may stand in another batch than what it withdraws, on either side of it.
  const remade = changes.flatMap((change) => (change.withdraws === undefined ? [] : [change.entry.entryId]));
  const hadWithdrawals = await entriesWithWithdrawals(
    transaction,
    changes.map(({ entry }) => entry.entryId),
  );
  if (remade.length + hadWithdrawals.length > 0) await remakeEntries(transaction, [...remade, ...hadWithdrawals]);
  for (const { changeId } of changes) {
    result[outcomes.get(changeId) ?? 'duplicate'] += 1;
    outcomes.delete(changeId); // Named again in the same request it is a duplicate.
  }
  return result;
}

/** Writes a new version of one existing entry; a change that changes nothing is not written. */
async function rewrite(
  transaction: Database,
  context: WriteContext,
  request: EditRequest | FeedbackRequest | RetractRequest,
  change: (entry: Entry) => Entry,
): Promise<Entry> {
  const [earlier] = await findEarlierRun(transaction, request.requestId, 1);
  if (earlier !== undefined) return earlier.entry;
  const current = await findEntry(transaction, request.reference);
  const content = withoutStamp(change(current.entry));
  if (canonicalContent(content) === canonicalContent(withoutStamp(current.entry))) return current.entry;
  const [written] = await writeVersions(transaction, context, request.requestId, [{ content, current }]);
  return written ?? current.entry;
}

/** The replacement of a superseded entry as it was when `change` superseded it. */
async function replacementAt(transaction: Database, change: ChangeRecord): Promise<Entry> {
  const versions = await readHistory(transaction, change.entry.supersededBy ?? '');
  const [then] = versions.filter(({ seq }) => seq < change.seq);
  if (then !== undefined) return then.entry;
  throw new SmError({
    code: 'conflict',
    message: 'requestId: belongs to another request, which was no supersession.',
    hint: 'Every request needs an id of its own.',
  });
}

/**
 * Refuses what was handed out by this brain a while ago, and still holds.
 * @returns what this very request has written before, where the refusal would be of its own repetition
 */
async function refuseEcho(
  transaction: Database,
  context: WriteContext,
  requestId: string,
  contents: EntryContent[],
): Promise<ChangeRecord[]> {
  for (const content of contents) {
    const entryId = context.echoOf?.(content);
    if (entryId === undefined) continue;
    const source = (await readEntries(transaction, [entryId])).get(entryId)?.entry;
    if (source?.status !== 'active') continue;
    const earlier = await findEarlierRun(transaction, requestId, contents.length);
    if (earlier.length > 0) return earlier;
    throw new SmError({
      code: 'exists',
      message: `${entryId} says this already, and was handed out: "${source.title.slice(0, 120)}".`,
      hint:
        `Where it proved right, say so: sm brain useful ${entryId}. Record what is new in words of your own, ` +
        'or add --allow-echo.',
      details: { entryId, reason: 'echo' },
    });
  }
  return [];
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
    throw new SmError({
      code: 'conflict',
      message: `${old.entry.entryId} is ${stateOf(old.entry)} already.`,
      hint: `"sm brain history ${old.entry.entryId}" shows how that came about.`,
    });
  }
  return {
    content: { ...withoutStamp(old.entry), status: 'superseded', supersededBy: replacementId },
    current: old,
  };
}

/** `retracted`, or `superseded by` what. */
function stateOf({ status, supersededBy }: Entry): string {
  return supersededBy === undefined ? status : `${status} by ${supersededBy}`;
}

/**
 * Whether every entry is there already with the very same content: recording it again is no error.
 * @throws SmError `exists` where another entry has one of the ids, or where it was recorded without superseding
 */
async function isRepetition(
  transaction: Database,
  contents: EntryContent[],
  supersedes: string | undefined,
): Promise<boolean> {
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
  if (changed === undefined && taken.size === contents.length && supersedes === undefined) return true;
  const [firstTaken] = taken.keys();
  throw new SmError({
    code: 'exists',
    message: `An entry with the id ${changed?.entryId ?? firstTaken} exists already.`,
    hint: `Change it with "sm brain edit ${changed?.entryId ?? firstTaken} …", or leave the id out to get a new one.`,
  });
}

/** The same but for when and where it was recorded, which a repeated command takes anew. */
function isSameRecord(known: Entry, content: EntryContent): boolean {
  const comparable = { ...withoutStamp(known), createdAt: content.createdAt, refs: subjectRefs(known.refs) };
  return canonicalContent(comparable) === canonicalContent({ ...content, refs: subjectRefs(content.refs) });
}

function withoutStamp({ updatedAt: _, ...content }: Entry): EntryContent {
  return content;
}
