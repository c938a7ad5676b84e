/**
 * A brain as its contract describes it, in memory and in the plainest way: the oracle for the real one. It takes over
 * from the real answer only what nobody can foresee, the ids of new entries.
 */
import type {
  AnswerOf,
  EditRequest,
  EntryReference,
  FeedbackRequest,
  ImportRequest,
  ImportResult,
  ListRequest,
  LogRequest,
  OperationName,
  ReadScope,
  RecordRequest,
  RequestOf,
  RetractRequest,
  Scope,
  SupersedeRequest,
} from '../../lib/brain/contract.ts';
import type { BrainStatus, LoggedChange } from '../../lib/brain/log-contract.ts';
import type { EntryFilter } from '../../lib/brain/recall-contract.ts';
import { changeIdOf } from '../../lib/brain/writer.ts';
import {
  draftToContent,
  type Entry,
  type EntryContent,
  parseDraft,
  parseEdit,
  parseEntry,
} from '../../lib/core/entry.ts';
import { type ErrorCode, SmError } from '../../lib/core/errors.ts';
import { standingAfter } from '../../lib/core/standing.ts';
import { compareStamps, materialise, mergeOutcome } from '../../lib/core/merge.ts';
import { hashContent } from '../../lib/protocol/hash.ts';

/** The operations that the oracle knows; recall's order is nobody's to foresee. */
export type ModelledOperation = Exclude<
  OperationName,
  | 'recall'
  | 'similar'
  | 'context'
  | 'why'
  | 'activity'
  | 'logPage'
  | 'verify'
  | 'conflicts'
  | 'resolve'
  | 'adopt'
  | `sync${string}`
  | `embedding${string}`
>;

interface Current {
  entry: Entry;
  hash: string;
}

export class ModelBrain {
  readonly log: LoggedChange[] = [];
  readonly #answers = new Map<string, unknown>();
  readonly #replicaId: string;
  readonly #clock: { nowMs: number };

  constructor(replicaId: string, clock: { nowMs: number }) {
    this.#replicaId = replicaId;
    this.#clock = clock;
  }

  /** What the operation must answer. @throws SmError whose code is the one it must fail with */
  run<O extends ModelledOperation>(operation: O, request: RequestOf<O>, answered: unknown): AnswerOf<O> {
    const run = {
      record: () => this.#record(request as RecordRequest, answered as Entry[] | undefined),
      edit: () => this.#edit(request as EditRequest),
      supersede: () => this.#supersede(request as SupersedeRequest),
      retract: () => this.#rewrite(request as RetractRequest, { status: 'retracted' }),
      feedback: () => this.#feedback(request as FeedbackRequest),
      import: () => this.#import(request as ImportRequest),
      show: () => this.#find(request as EntryReference).entry,
      history: () => this.#history(request as EntryReference),
      list: () => this.#list(request as ListRequest),
      log: () => this.#readLog(request as LogRequest),
      status: () => this.#status(request as { scope: Scope }, answered as BrainStatus),
      rebuild: () => ({ entries: this.#current().size, repaired: 0 }),
    } satisfies Record<ModelledOperation, () => unknown>;
    const answer: unknown = run[operation]();
    return answer as AnswerOf<O>;
  }

  entries(): Entry[] {
    return [...this.#current().values()].map(({ entry }) => entry);
  }

  #record(request: RecordRequest, answered: Entry[] | undefined): Entry[] {
    const drafts = request.drafts.map(parseDraft);
    if (request.supersedes !== undefined && drafts.length !== 1) throw failure('bad_request');
    const earlier = this.#answers.get(request.requestId);
    if (earlier !== undefined) return earlier as Entry[];
    const nowMs = this.#clock.nowMs;
    const contents = drafts.map((draft, index) => {
      const entryId = answered?.[index]?.entryId ?? `unanswered ${index}`;
      return draftToContent(draft, { ...request.scope, agent: request.agent, entryId, nowMs });
    });
    const current = this.#current();
    if (drafts.some(({ entryId }) => entryId !== undefined)) {
      if (new Set(contents.map(({ entryId }) => entryId)).size < contents.length) throw failure('bad_request');
      const taken = contents.flatMap((content) => current.get(content.entryId) ?? []);
      const areSame = contents.every((content) => {
        const known = current.get(content.entryId);
        return (
          known !== undefined && hashContent({ ...known.entry, createdAt: content.createdAt }) === hashContent(content)
        );
      });
      if (areSame && request.supersedes === undefined) return taken.map(({ entry }) => entry);
      if (taken.length > 0) throw failure('exists');
    }
    const versions: [EntryContent, Current | undefined][] = contents.map((content) => [content, undefined]);
    if (request.supersedes !== undefined) {
      const old = this.#find({ workspaceId: request.scope.workspaceId, idOrPrefix: request.supersedes });
      versions.push([supersededBy(old, contents[0]?.entryId ?? ''), old]);
    }
    const written = this.#write(request.requestId, versions).slice(0, drafts.length);
    this.#answers.set(request.requestId, written);
    return written;
  }

  #edit(request: EditRequest): Entry {
    return this.#rewrite(request, parseEdit(request.edit));
  }

  #feedback(request: FeedbackRequest): Entry {
    const earlier = this.#answers.get(request.requestId);
    if (earlier !== undefined) return earlier as Entry;
    const { entry } = this.#find(request.reference);
    if (entry.status !== 'active') throw failure('conflict');
    return this.#rewrite(request, { confidence: standingAfter(entry.confidence, request.verdict) });
  }

  #rewrite(request: EditRequest | FeedbackRequest | RetractRequest, change: Partial<Entry>): Entry {
    const earlier = this.#answers.get(request.requestId);
    if (earlier !== undefined) return earlier as Entry;
    const current = this.#find(request.reference);
    const content = { ...current.entry, ...change };
    if (hashContent(content) === current.hash) return current.entry;
    const [written] = this.#write(request.requestId, [[content, current]]);
    this.#answers.set(request.requestId, written);
    return written ?? current.entry;
  }

  #supersede({ requestId, workspaceId, oldId, newId }: SupersedeRequest): { old: Entry; new: Entry } {
    const earlier = this.#answers.get(requestId);
    if (earlier !== undefined) return earlier as { old: Entry; new: Entry };
    const replacement = this.#find({ workspaceId, idOrPrefix: newId });
    const old = this.#find({ workspaceId, idOrPrefix: oldId });
    if (replacement.entry.status !== 'active') throw failure('conflict');
    const [written = old.entry] = this.#write(requestId, [[supersededBy(old, replacement.entry.entryId), old]]);
    const answer = { old: written, new: replacement.entry };
    this.#answers.set(requestId, answer);
    return answer;
  }

  #import({ origin, changes }: ImportRequest): ImportResult {
    const parsed = changes.map((change) => ({ ...change, entry: parseEntry(change.entry) }));
    const result: ImportResult = { applied: 0, superseded: 0, duplicate: 0 };
    for (const { changeId, base, replicaId, entry } of parsed) {
      const isKnown = this.log.some((logged) => logged.changeId === changeId);
      result[isKnown ? 'duplicate' : this.#append({ changeId, base, replicaId, origin, entry })] += 1;
    }
    return result;
  }

  #write(requestId: string, versions: [EntryContent, Current | undefined][]): Entry[] {
    return versions.map(([content, current], position) => {
      const seenMs = current?.entry.updatedAt;
      const updatedAt = seenMs === undefined ? this.#clock.nowMs : Math.max(this.#clock.nowMs, seenMs + 1);
      const entry = { ...content, updatedAt };
      const changeId = changeIdOf(requestId, position);
      this.#append({ changeId, base: current?.hash ?? null, replicaId: this.#replicaId, origin: 'local', entry });
      return entry;
    });
  }

  #append(change: Pick<LoggedChange, 'changeId' | 'base' | 'replicaId' | 'origin' | 'entry'>): LoggedChange['outcome'] {
    const hash = hashContent(change.entry);
    const current = this.#current().get(change.entry.entryId);
    const stamp = current && { updatedAt: current.entry.updatedAt, hash: current.hash };
    const outcome = mergeOutcome(stamp, { updatedAt: change.entry.updatedAt, hash });
    const seq = this.log.length + 1;
    const ancestry = { replaces: [], withdraws: null };
    this.log.push({ ...change, ...ancestry, seq, hash, receivedAt: this.#clock.nowMs, outcome });
    return outcome;
  }

  #current(): Map<string, Current> {
    const winners = materialise(
      this.log.map(({ entry, hash }) => ({ entryId: entry.entryId, updatedAt: entry.updatedAt, hash, entry })),
    );
    return new Map([...winners].map(([id, { entry, hash }]) => [id, { entry, hash }]));
  }

  #find({ workspaceId, idOrPrefix }: EntryReference): Current {
    const prefix = idOrPrefix.trim().toLowerCase();
    if (!/^[0-9a-f-]{4,36}$/.test(prefix)) throw failure('bad_request');
    const found = [...this.#current().values()].filter(
      ({ entry }) => entry.workspaceId === workspaceId && entry.entryId.startsWith(prefix),
    );
    if (found.length > 1) throw failure('ambiguous');
    const [only] = found;
    if (only === undefined) throw failure('not_found');
    return only;
  }

  #history(reference: EntryReference): AnswerOf<'history'> {
    const { entry } = this.#find(reference);
    const versions = this.log.filter((change) => change.entry.entryId === entry.entryId);
    versions.sort((a, b) => compareStamps(stampOf(b), stampOf(a)) || a.seq - b.seq);
    return versions.map((version, index) => ({ ...version, isCurrent: index === 0, reason: '' }));
  }

  #list({ scope, limit, ...filter }: ListRequest): Entry[] {
    return this.entries()
      .filter((entry) => isInScope(entry, scope) && passes(entry, filter))
      .toSorted((a, b) => b.updatedAt - a.updatedAt || (a.entryId < b.entryId ? 1 : -1))
      .slice(0, limit);
  }

  #readLog({ scope, sinceMs = 0, limit }: LogRequest): LoggedChange[] {
    return this.log
      .filter(({ entry, receivedAt }) => isInScope(entry, scope) && receivedAt >= sinceMs)
      .toReversed()
      .slice(0, limit);
  }

  #status({ scope }: { scope: Scope }, { storeBytes, directory }: BrainStatus): BrainStatus {
    const here = this.entries().filter(({ workspaceId }) => workspaceId === scope.workspaceId);
    const active = here.filter(({ status }) => status === 'active');
    const countOf = <K extends string>(names: readonly K[], of: (name: K) => Entry[]): Record<K, number> =>
      Object.fromEntries(names.map((name) => [name, of(name).length])) as Record<K, number>;
    const stamped = this.log.filter(({ origin }) => origin === 'local').map(({ entry }) => entry.updatedAt);
    const behindMs = Math.max(0, ...stamped) - this.#clock.nowMs;
    return {
      repoEntries: active.filter(({ projectId }) => projectId === scope.projectId).length,
      orgEntries: active.length,
      byStatus: countOf(['active', 'superseded', 'retracted'], (name) => here.filter(({ status }) => status === name)),
      byKind: countOf(['experiment', 'decision', 'insight', 'note'], (name) =>
        active.filter(({ kind }) => kind === name),
      ),
      changes: this.log.length,
      entries: this.#current().size,
      lastChangeAt: this.log.at(-1)?.receivedAt ?? null,
      replicaId: this.#replicaId,
      clockRegressionMs: behindMs > 1_000 ? behindMs : 0,
      storeBytes,
      directory,
    };
  }
}

function isInScope(entry: Entry, { workspaceId, projectId }: ReadScope): boolean {
  return entry.workspaceId === workspaceId && (projectId === null || entry.projectId === projectId);
}

function passes(entry: Entry, filter: EntryFilter): boolean {
  return (
    (filter.includeInactive === true || entry.status === 'active') &&
    (filter.agent === undefined || entry.agent === filter.agent) &&
    (filter.kind === undefined || entry.kind === filter.kind) &&
    (filter.sinceMs === undefined || entry.updatedAt >= filter.sinceMs) &&
    (filter.tags ?? []).every((tag) => entry.tags.includes(tag))
  );
}

function supersededBy({ entry }: Current, replacementId: string): EntryContent {
  if (entry.entryId === replacementId || entry.status !== 'active') throw failure('conflict');
  return { ...entry, status: 'superseded', supersededBy: replacementId };
}

function stampOf({ entry, hash }: LoggedChange): { updatedAt: number; hash: string } {
  return { updatedAt: entry.updatedAt, hash };
}

function failure(code: ErrorCode): SmError {
  return new SmError({ code, message: `the model says ${code}` });
}
