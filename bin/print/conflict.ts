/**
 * A conflict for people: the current version beside each one that lost to it, field by field, and only the fields that
 * differ. In two columns where the terminal is wide enough, else one below the other. Pure.
 */
import type { Conflict, LoggedChange } from '../../lib/brain/log-contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { escapeLine, escapeText } from './escape.ts';
import { pad, wrap } from './layout.ts';
import { showTime } from './time.ts';
import type { View } from './view.ts';

/** Below this two columns are too narrow to be read, in columns. */
const SIDE_BY_SIDE_COLUMNS_MIN = 100;
/** What is shown of a hash, and is enough for --take: 48 bits. */
export const HASH_CHARACTERS = 12;
const SEPARATOR = ' │ ';

const FIELDS: readonly (readonly [name: string, show: (entry: Entry, view: View) => string])[] = [
  ['title', (entry) => entry.title],
  ['kind', (entry) => entry.kind],
  ['status', (entry) => (entry.supersededBy === undefined ? entry.status : `superseded by ${entry.supersededBy}`)],
  ['confidence', (entry) => String(entry.confidence)],
  ['tags', (entry) => entry.tags.join(', ')],
  ['refs', (entry) => entry.refs.join(', ')],
  ['conclusion', (entry) => entry.conclusion],
  ['summary', (entry) => entry.summary],
  ['project', (entry) => entry.projectId],
  ['created', (entry, view) => showTime(view, entry.createdAt)],
];

/** A name, and what it is in the current and in the losing version. */
type Row = readonly [name: string, current: string, lost: string];

export function renderConflicts(view: View, conflicts: readonly Conflict[]): string {
  return conflicts.map((conflict) => renderConflict(view, conflict)).join('\n');
}

function renderConflict(view: View, { current, losers }: Conflict): string {
  const lines = wrap(view, escapeLine(current.entry.title), view.width).map((line) => view.paint('bold', line));
  lines.push(view.paint('dim', `  ${current.entry.entryId}`));
  for (const loser of losers) {
    const rows = rowsOf(view, current, loser);
    const isWide = view.isTerminal && view.width >= SIDE_BY_SIDE_COLUMNS_MIN;
    lines.push('', ...(isWide ? sideBySide(view, rows) : oneBelowTheOther(view, rows)));
  }
  return `${lines.join('\n')}\n`;
}

function rowsOf(view: View, current: LoggedChange, loser: LoggedChange): Row[] {
  const differing = FIELDS.map(([name, show]): Row => [name, show(current.entry, view), show(loser.entry, view)]);
  return [
    ['', 'current', `lost ${loser.hash.slice(0, HASH_CHARACTERS)}`],
    ['written', writtenBy(view, current), writtenBy(view, loser)],
    ['on', current.replicaId, loser.replicaId],
    ...differing.filter(([, ours, theirs]) => ours !== theirs),
  ];
}

function writtenBy(view: View, { entry }: LoggedChange): string {
  return `${showTime(view, entry.updatedAt)} by ${entry.agent}`;
}

function sideBySide(view: View, rows: readonly Row[]): string[] {
  const nameWidth = nameWidthOf(rows);
  const cellWidth = Math.floor((view.width - 2 - nameWidth - 2 - SEPARATOR.length) / 2);
  return rows.flatMap(([name, current, lost], row) => {
    const ours = cell(view, current, cellWidth);
    const theirs = cell(view, lost, cellWidth);
    return Array.from({ length: Math.max(ours.length, theirs.length) }, (_, index) => {
      const label = view.paint('dim', (index === 0 ? name : '').padEnd(nameWidth));
      const left = pad(view, ours[index] ?? '', cellWidth);
      const right = theirs[index] ?? '';
      return row === 0
        ? `  ${label}  ${view.paint('green', left)}${SEPARATOR}${view.paint('yellow', right)}`
        : `  ${label}  ${left}${SEPARATOR}${right}`.trimEnd();
    });
  });
}

function oneBelowTheOther(view: View, rows: readonly Row[]): string[] {
  const nameWidth = nameWidthOf(rows);
  return ([1, 2] as const).flatMap((side) =>
    rows.flatMap((row, index) => {
      if (index === 0) return [`  ${view.paint(side === 1 ? 'green' : 'yellow', row[side])}`];
      const [first = '', ...rest] = cell(view, row[side], view.width - 4 - nameWidth - 2);
      return [
        `    ${view.paint('dim', row[0].padEnd(nameWidth))}  ${first}`,
        ...rest.map((line) => `${' '.repeat(4 + nameWidth + 2)}${line}`),
      ];
    }),
  );
}

function nameWidthOf(rows: readonly Row[]): number {
  return Math.max(...rows.map(([name]) => name.length));
}

function cell(view: View, text: string, width: number): string[] {
  return wrap(view, text === '' ? '(empty)' : escapeText(text), width);
}
