/**
 * What an entry is, and the only gate through which one comes into being: every way in (command line, library, import,
 * wire) parses with the schemas below. Owns field names, defaults and normalisation; the bounds are in limits.ts.
 * Invariant: text in an Entry is well-formed Unicode without NUL, so that its UTF-8 bytes, and its hash, are the same
 * on every machine.
 */
import * as v from 'valibot';
import { SmError } from './errors.ts';
import {
  AGENT_CHARACTERS_MAX,
  LABEL_CHARACTERS_MAX,
  REFS_MAX,
  SCOPE_CHARACTERS_MAX,
  TAGS_MAX,
  TEXT_BYTES_MAX,
  TIMESTAMP_MS_MAX,
  TITLE_CHARACTERS_MAX,
} from './limits.ts';
import { isProvenanceRef, withProvenance } from './provenance.ts';
import { DEFAULT_CONFIDENCE, DEFAULT_KIND, ENTRY_KINDS, ENTRY_STATUSES } from './vocabulary.ts';
import type { EntryKind, EntryStatus } from './vocabulary.ts';

export type { EntryKind, EntryStatus } from './vocabulary.ts';

/** One record of the brain, with exactly the fields that travel. Times are integer milliseconds since the epoch. */
export interface Entry {
  entryId: string;
  workspaceId: string;
  projectId: string;
  agent: string;
  kind: EntryKind;
  title: string;
  summary: string;
  conclusion: string;
  tags: string[];
  refs: string[];
  confidence: number;
  status: EntryStatus;
  supersededBy?: string;
  createdAt: number;
  updatedAt: number;
}

/** All of an entry that its hash covers: everything but the stamp's own time. */
export type EntryContent = Omit<Entry, 'updatedAt'>;

const encoder = new TextEncoder();

const LONE_SURROGATE = /\p{Surrogate}/u;

function text(charactersMax: number) {
  return v.pipe(
    v.string('must be text'),
    v.check((s) => !s.includes('\0'), 'must not contain NUL characters'),
    v.check((s) => !LONE_SURROGATE.test(s), 'must be valid Unicode (it has half of a surrogate pair)'),
    v.check((s) => !isLongerThan(s, charactersMax), `must have at most ${charactersMax} characters`),
  );
}

/** In code points, which take one or two code units; counted only where that makes a difference. */
function isLongerThan(s: string, charactersMax: number): boolean {
  if (s.length <= charactersMax) return false;
  return s.length > 2 * charactersMax || [...s].length > charactersMax;
}

function longText() {
  return v.pipe(
    text(TEXT_BYTES_MAX),
    v.check(
      (s) => encoder.encode(s).length <= TEXT_BYTES_MAX,
      `must be at most ${TEXT_BYTES_MAX / 1024} KiB; keep the essence here and link the rest with a ref`,
    ),
  );
}

function nonBlank(charactersMax: number) {
  return v.pipe(
    text(charactersMax),
    v.check((s) => s.trim() !== '', 'must not be empty'),
  );
}

function labels(countMax: number) {
  return v.pipe(
    v.array(nonBlank(LABEL_CHARACTERS_MAX), 'must be a list of texts'),
    v.maxLength(countMax, `must have at most ${countMax} items`),
  );
}

const uuid = v.pipe(
  v.string('must be text'),
  v.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'must be a UUID in lower case'),
);
const timestamp = v.pipe(
  v.number('must be a number of milliseconds'),
  v.safeInteger('must be a whole number of milliseconds'),
  v.minValue(0, 'must not be before 1970'),
  v.maxValue(TIMESTAMP_MS_MAX, 'is too far in the future'),
);
const confidence = v.pipe(
  v.number('must be a number from 0 to 1'),
  v.minValue(0, 'must be from 0 to 1'),
  v.maxValue(1, 'must be from 0 to 1'),
);
const kind = v.picklist(ENTRY_KINDS, `must be one of ${ENTRY_KINDS.join(', ')}`);
const status = v.picklist(ENTRY_STATUSES, `must be one of ${ENTRY_STATUSES.join(', ')}`);

/** The strict schema of a whole entry, as it is stored and as it travels. Unknown fields are dropped. */
export const entrySchema = v.object({
  entryId: uuid,
  workspaceId: text(SCOPE_CHARACTERS_MAX),
  projectId: text(SCOPE_CHARACTERS_MAX),
  agent: nonBlank(AGENT_CHARACTERS_MAX),
  kind,
  title: nonBlank(TITLE_CHARACTERS_MAX),
  summary: longText(),
  conclusion: longText(),
  tags: labels(TAGS_MAX),
  refs: labels(REFS_MAX),
  confidence,
  status,
  supersededBy: v.exactOptional(uuid),
  createdAt: timestamp,
  updatedAt: timestamp,
});

/** What a person or an agent gives to write an entry; the rest is filled in. */
const draftSchema = v.strictObject({
  entryId: v.exactOptional(uuid),
  agent: v.exactOptional(nonBlank(AGENT_CHARACTERS_MAX)),
  kind: v.exactOptional(kind),
  title: nonBlank(TITLE_CHARACTERS_MAX),
  summary: v.exactOptional(longText()),
  conclusion: v.exactOptional(longText()),
  tags: v.exactOptional(labels(TAGS_MAX)),
  refs: v.exactOptional(labels(REFS_MAX)),
  confidence: v.exactOptional(confidence),
  createdAt: v.exactOptional(timestamp),
});

export type EntryDraft = v.InferOutput<typeof draftSchema>;

/** What an edit may change. `status` and `supersededBy` change through supersede and retract alone. */
const editSchema = v.strictObject({
  agent: v.exactOptional(nonBlank(AGENT_CHARACTERS_MAX)),
  kind: v.exactOptional(kind),
  title: v.exactOptional(nonBlank(TITLE_CHARACTERS_MAX)),
  summary: v.exactOptional(longText()),
  conclusion: v.exactOptional(longText()),
  tags: v.exactOptional(labels(TAGS_MAX)),
  refs: v.exactOptional(labels(REFS_MAX)),
  confidence: v.exactOptional(confidence),
});

export type EntryEdit = v.InferOutput<typeof editSchema>;

/** Parses a whole entry. @throws SmError `bad_request` that names the field and the remedy. */
export function parseEntry(input: unknown): Entry {
  return parse(entrySchema, input, 'entry');
}

/** Parses and tidies what a writer gave. @throws SmError `bad_request` that names the field and the remedy. */
export function parseDraft(input: unknown): EntryDraft {
  return tidy(parse(draftSchema, input, 'entry'));
}

/** Parses and tidies an edit, which must change something. @throws SmError `bad_request`. */
export function parseEdit(input: unknown): EntryEdit {
  const edit = tidy(parse(editSchema, input, 'edit'));
  if (Object.keys(edit).length > 0) return edit;
  throw new SmError({
    code: 'bad_request',
    message: 'The edit changes nothing.',
    hint: 'Name at least one field, for example --conclusion "…".',
  });
}

/** The entry a draft becomes when it is written by `agent` at `nowMs`. */
export function draftToContent(
  draft: EntryDraft,
  filled: { entryId: string; workspaceId: string; projectId: string; agent: string; nowMs: number },
): EntryContent {
  return {
    entryId: draft.entryId ?? filled.entryId,
    workspaceId: filled.workspaceId,
    projectId: filled.projectId,
    agent: draft.agent ?? filled.agent,
    kind: draft.kind ?? DEFAULT_KIND,
    title: draft.title,
    summary: draft.summary ?? '',
    conclusion: draft.conclusion ?? '',
    tags: draft.tags ?? [],
    refs: draft.refs ?? [],
    confidence: draft.confidence ?? DEFAULT_CONFIDENCE,
    status: 'active',
    createdAt: draft.createdAt ?? filled.nowMs,
  };
}

/** The fields that an edit names, on top of the others. Where the entry was recorded is not the editor's to forget. */
export function applyEdit<T extends EntryContent>(content: T, edit: EntryEdit): T {
  if (edit.refs === undefined) return { ...content, ...edit };
  return { ...content, ...edit, refs: withProvenance(edit.refs, content.refs.filter(isProvenanceRef)) };
}

/** Trims text and drops repeated labels; the order of labels is the writer's. */
function tidy<T extends EntryEdit>(fields: T): T {
  const tidied = { ...fields };
  for (const key of ['agent', 'title', 'summary', 'conclusion'] as const) {
    if (tidied[key] !== undefined) tidied[key] = tidied[key].trim();
  }
  for (const key of ['tags', 'refs'] as const) {
    if (tidied[key] !== undefined) tidied[key] = [...new Set(tidied[key].map((label) => label.trim()))];
  }
  return tidied;
}

/**
 * Parses `input`, which the message calls an entry, an edit or a request.
 * @throws SmError `bad_request` that names the first field at fault, also in `details.field`
 */
export function parse<S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  what: 'entry' | 'edit' | 'request',
): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? '';
  throw new SmError({
    code: 'bad_request',
    message: describeIssue(issue, path, what),
    details: { field: path },
  });
}

function describeIssue(issue: v.BaseIssue<unknown>, path: string, what: 'entry' | 'edit' | 'request'): string {
  if (path === '') return `The ${what} must be an object of named fields.`;
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${path}: is not a field of an ${what}.`;
  if (issue.received === 'undefined') return `${path}: is missing.`;
  return `${path}: ${issue.message}${quoteShort(issue.input)}.`;
}

/** Shows a short offending value, never a long one: an error message is no place for 10 MB. */
function quoteShort(input: unknown): string {
  if (typeof input !== 'string' && typeof input !== 'number') return '';
  const shown = typeof input === 'number' ? String(input) : JSON.stringify(input);
  return shown.length <= 60 && shown !== '""' ? `, but is ${shown}` : '';
}
