/** Entries as a Markdown document, by kind and newest first. Pure. */
import type { Entry } from '../../lib/core/entry.ts';
import { subjectRefs } from '../../lib/core/provenance.ts';
import { ENTRY_KINDS, type EntryKind } from '../../lib/core/vocabulary.ts';
import { escapeLine, escapeText } from './escape.ts';
import { isoTime } from './time.ts';

const HEADINGS: Readonly<Record<EntryKind, string>> = {
  experiment: 'Experiments',
  decision: 'Decisions',
  insight: 'Insights',
  note: 'Notes',
};

export function renderMarkdown(entries: readonly Entry[]): string {
  const sections = ENTRY_KINDS.flatMap((kind) => {
    const ofKind = entries
      .filter((entry) => entry.kind === kind)
      .toSorted((a, b) => b.updatedAt - a.updatedAt || (a.entryId < b.entryId ? -1 : 1));
    return ofKind.length === 0 ? [] : [`## ${HEADINGS[kind]}`, ...ofKind.map(renderEntry)];
  });
  return `${['# What was learned', ...sections].join('\n\n')}\n`;
}

function renderEntry(entry: Entry): string {
  const facts = [
    isoTime(entry.updatedAt).slice(0, -14),
    escapeLine(entry.agent),
    `confidence ${entry.confidence}`,
    ...entry.tags.map((tag) => code(`#${tag}`)),
    code(entry.entryId),
  ];
  const parts = [`### ${escapeMarkdown(escapeLine(entry.title))}`, facts.join(' · ')];
  if (entry.conclusion !== '') parts.push(quote(escapeText(entry.conclusion)));
  if (entry.summary !== '') parts.push(demoteHeadings(escapeText(entry.summary)));
  const refs = subjectRefs(entry.refs);
  if (refs.length > 0) parts.push(`Refs: ${refs.map(code).join(', ')}`);
  return parts.join('\n\n');
}

function quote(text: string): string {
  return text
    .split('\n')
    .map((line) => `> ${line}`.trimEnd())
    .join('\n');
}

/** Summaries are Markdown themselves; their headings must not end the section they stand in. */
function demoteHeadings(text: string): string {
  return text.replaceAll(/^(#{1,6}) /gm, (_, marks: string) => `${'#'.repeat(Math.min(6, marks.length + 3))} `);
}

function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\`*_[\]<>#]/g, (character) => `\\${character}`);
}

/** A code span that holds any text: fenced by more backticks than it contains in a row. */
function code(text: string): string {
  const line = escapeLine(text);
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const blank = longest > 0 ? ' ' : '';
  return `${fence}${blank}${line}${blank}${fence}`;
}
