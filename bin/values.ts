/**
 * Flag values from text to what the brain takes. Checks only what text alone can tell (is it a number, a date, a known
 * word); what an entry may hold is checked once, by the brain.
 */
import type { EntryFilter } from '../lib/brain/recall-contract.ts';
import type { EntryEdit } from '../lib/core/entry.ts';
import { RESULTS_MAX } from '../lib/core/limits.ts';
import { parseEndTime, parseTime } from '../lib/core/time-text.ts';
import { ENTRY_KINDS, ENTRY_STATUSES, KNOWN_AGENTS, type EntryKind, type EntryStatus } from '../lib/core/vocabulary.ts';
import { quoteShort, usageError } from './arguments.ts';
import type { Context, Options, OptionSpec } from './command.ts';
import { readTextField } from './input.ts';
import { didYouMean } from './suggest.ts';

/** The flags that describe an entry's content, for record and edit. */
export const CONTENT_OPTIONS: readonly OptionSpec[] = [
  { flags: '--title <text>', summary: 'One line that says what was tried, decided or learned' },
  { flags: '--summary <text>', summary: 'What happened and why; "-" reads it from stdin' },
  { flags: '--conclusion <text>', summary: 'What to do next time; "-" reads it from stdin' },
  { flags: '--kind <kind>', summary: `One of ${ENTRY_KINDS.join(', ')}`, values: ENTRY_KINDS },
  { flags: '--agent <name>', summary: 'Who says so (default: detected)', suggestions: KNOWN_AGENTS },
  { flags: '--tags <list>', summary: 'Tags, separated by commas' },
  { flags: '--tag <text>', summary: 'One tag; may be repeated', isRepeatable: true },
  { flags: '--refs <list>', summary: 'Files, links, commits or issues it is about, separated by commas' },
  { flags: '--ref <text>', summary: 'One ref; may be repeated', isRepeatable: true },
  { flags: '--confidence <number>', summary: 'How sure, from 0 to 1' },
];

export const ALLOW_SECRET_OPTION: OptionSpec = {
  flags: '--allow-secret',
  summary: 'Keep what looks like a secret, on this machine only, instead of masking it',
};

export const ALLOW_ECHO_OPTION: OptionSpec = {
  flags: '--allow-echo',
  summary: 'Record it even if the brain has handed it out before',
};

/** For a request that writes. */
export function allowanceOf(options: Options): { allowsSecrets?: true; allowsEcho?: true } {
  return {
    ...(options.isSet('allow-secret') ? { allowsSecrets: true } : {}),
    ...(options.isSet('allow-echo') ? { allowsEcho: true } : {}),
  };
}

export const FILTER_OPTIONS: readonly OptionSpec[] = [
  { flags: '--org', summary: 'All projects of the workspace, not only this one' },
  { flags: '--all', summary: 'Also superseded and retracted entries' },
  { flags: '--agent <name>', summary: 'Only entries of this agent', suggestions: KNOWN_AGENTS },
  { flags: '--kind <kind>', summary: 'Only entries of this kind', values: ENTRY_KINDS },
  { flags: '--tag <text>', summary: 'Only entries with this tag; repeated: with all of them', isRepeatable: true },
];

export const SINCE_OPTION: OptionSpec = {
  flags: '--since <time>',
  summary: 'Only what is newer: 30m, 12h, 7d, 2w, 1y, 2026-01-31, or an ISO time',
};

/** What recall and list can be narrowed by besides FILTER_OPTIONS. */
export const NARROWING_OPTIONS: readonly OptionSpec[] = [
  SINCE_OPTION,
  { flags: '--until <time>', summary: 'Only what is older; a date includes the whole day' },
  { flags: '--ref <text>', summary: 'Only entries about this file, link, issue or commit (also abbreviated)' },
  { flags: '--status <state>', summary: `Only entries that are ${ENTRY_STATUSES.join(', ')}`, values: ENTRY_STATUSES },
];

export function limitOption(limitDefault: number): OptionSpec {
  return { flags: '--limit <count>', summary: `How many at most (default ${limitDefault}, up to ${RESULTS_MAX})` };
}

/** The content that flags give; a field whose flag is absent is absent. Reads stdin for a `-`. */
export async function contentOf(context: Context, options: Options): Promise<EntryEdit> {
  const content: EntryEdit = {};
  const title = options.text('title');
  if (title !== undefined) content.title = title;
  const fromStdin = (['summary', 'conclusion'] as const).filter((name) => options.text(name) === '-');
  if (fromStdin.length > 1) {
    throw usageError('Only one of --summary and --conclusion can read stdin.', 'Give the other one as text.');
  }
  for (const name of ['summary', 'conclusion'] as const) {
    const text = options.text(name);
    if (text !== undefined) content[name] = text === '-' ? await readTextField(context, `the ${name}`) : text;
  }
  const kind = kindOf(options);
  if (kind !== undefined) content.kind = kind;
  const agent = options.text('agent');
  if (agent !== undefined) content.agent = agent;
  const tags = labelsOf(options, 'tags', 'tag');
  if (tags !== undefined) content.tags = tags;
  const refs = labelsOf(options, 'refs', 'ref');
  if (refs !== undefined) content.refs = refs;
  const confidence = options.text('confidence');
  if (confidence !== undefined) content.confidence = confidenceOf(confidence);
  return content;
}

/** The filters of recall and list. */
export function filterOf(context: Context, options: Options): EntryFilter {
  const filter: EntryFilter = {};
  const agent = options.text('agent');
  if (agent !== undefined) filter.agent = agent;
  const kind = kindOf(options);
  if (kind !== undefined) filter.kind = kind;
  const tags = options.texts('tag');
  if (tags.length > 0) filter.tags = [...tags];
  const sinceMs = sinceOf(options, context.now());
  if (sinceMs !== undefined) filter.sinceMs = sinceMs;
  const until = options.text('until');
  if (until !== undefined) filter.untilMs = endOf(until, context.now(), 'until');
  const ref = options.text('ref');
  if (ref !== undefined) filter.ref = ref;
  const status = statusOf(options);
  if (status !== undefined) filter.statuses = [status];
  if (options.isSet('all')) filter.includeInactive = true;
  return filter;
}

export function limitOf(options: Options, limitDefault: number, name = 'limit'): number {
  const text = options.text(name);
  if (text === undefined) return limitDefault;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (limit >= 1 && limit <= RESULTS_MAX) return limit;
  throw usageError(
    `--${name} must be a whole number from 1 to ${RESULTS_MAX}, but is ${quoteShort(text)}.`,
    `For example: --${name} ${limitDefault}`,
  );
}

/** A flag's value that is one of a few words; undefined where it was not given. @throws SmError `bad_request` */
export function wordOf<Word extends string>(options: Options, name: string, words: readonly Word[]): Word | undefined {
  const text = options.text(name);
  const word = words.find((known) => known === text);
  if (text === undefined || word !== undefined) return word;
  throw usageError(
    `--${name} must be one of ${words.join(', ')}, but is ${quoteShort(text)}.`,
    `For example: --${name} ${words[0]}`,
  );
}

function kindOf(options: Options): EntryKind | undefined {
  const text = options.text('kind');
  if (text === undefined) return undefined;
  const kind = ENTRY_KINDS.find((known) => known === text);
  if (kind !== undefined) return kind;
  const guess = didYouMean(text, ENTRY_KINDS);
  throw usageError(
    `--kind must be one of ${ENTRY_KINDS.join(', ')}, but is ${quoteShort(text)}.`,
    `${guess}For anything else take --kind note and a tag.`,
  );
}

function statusOf(options: Options): EntryStatus | undefined {
  const text = options.text('status');
  if (text === undefined) return undefined;
  const status = ENTRY_STATUSES.find((known) => known === text);
  if (status !== undefined) return status;
  throw usageError(
    `--status must be one of ${ENTRY_STATUSES.join(', ')}, but is ${quoteShort(text)}.`,
    didYouMean(text, ENTRY_STATUSES).trim() || 'For example: --status superseded',
  );
}

/** Undefined where neither flag was given; `[]` for an empty one, which clears the labels of an edit. */
function labelsOf(options: Options, listName: string, singleName: string): string[] | undefined {
  const list = options.text(listName);
  const singles = options.texts(singleName);
  if (list === undefined && singles.length === 0) return undefined;
  const split = (list ?? '').split(',').map((label) => label.trim());
  return [...split.filter((label) => label !== ''), ...singles];
}

function confidenceOf(text: string): number {
  if (/^\d*\.?\d+(?:e-?\d+)?$|^\d+\.$/i.test(text)) return Number(text);
  throw usageError(
    `--confidence must be a number from 0 to 1, but is ${quoteShort(text)}.`,
    'For example: --confidence 0.8',
  );
}

/** `--since`, as parseTime has it. */
export function sinceOf(options: Options, nowMs: number): number | undefined {
  const text = options.text('since');
  return text === undefined ? undefined : startOf(text, nowMs, 'since');
}

/** A time from which on something counts. */
export function startOf(text: string, nowMs: number, name: string): number {
  return parseTime(text, nowMs) ?? refuseTime(name, text);
}

/** A time up to which something counts: of a day its last millisecond. */
export function endOf(text: string, nowMs: number, name: string): number {
  return parseEndTime(text, nowMs) ?? refuseTime(name, text);
}

/** Git knows a commit by its second; what was recorded in that was there. */
const COMMIT_LASTS_MS = 999;

/** A time, or that of the commit that it names in this repository. */
export async function asOfTime(context: Context, text: string): Promise<number> {
  const timeMs = parseEndTime(text, context.now());
  if (timeMs !== undefined) return timeMs;
  const commitMs = await context.commitTime(text);
  if (commitMs !== undefined) return commitMs + COMMIT_LASTS_MS;
  throw usageError(
    `--as-of must be a time or a commit of this repository, but is ${quoteShort(text)}.`,
    'For example: --as-of 2026-01-31, --as-of 7d, --as-of v1.2.0, --as-of 1a2b3c4',
  );
}

function refuseTime(name: string, text: string): never {
  throw usageError(
    `--${name} must be an age or a time, but is ${quoteShort(text)}.`,
    `For example: --${name} 7d, --${name} 12h, --${name} 2026-01-31, --${name} 2026-01-31T09:00:00Z`,
  );
}
