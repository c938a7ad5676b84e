/** Entries for people: a table, blocks, and a card. Piped output is never cut: agents read it too. Pure. */
import type { LoggedChange } from '../../lib/brain/log-contract.ts';
import type { RecallHit, WhyHit, WhyMatch } from '../../lib/brain/recall-contract.ts';
import type { Entry, EntryKind } from '../../lib/core/entry.ts';
import { describeProvenance, subjectRefs } from '../../lib/core/provenance.ts';
import { idCharacters } from '../../lib/core/short-ids.ts';
import { escapeLine, escapeText } from './escape.ts';
import { pad, truncate, wrap } from './layout.ts';
import { isoTime, showTime } from './time.ts';
import type { Style, View } from './view.ts';

/** Lines of summary or conclusion that recall shows of each entry on a terminal. */
const EXCERPT_LINES_MAX = 3;
const MATCHES_SHOWN_MAX = 4;
const COMMIT_DIGITS_SHOWN = 12;

const KIND_STYLES: Readonly<Record<EntryKind, Style>> = {
  experiment: 'cyan',
  decision: 'magenta',
  insight: 'green',
  note: 'yellow',
};

/** One line an entry. Piped: id, kind, status, agent, time and title, separated by tabs. */
export function renderTable(view: View, entries: readonly Entry[]): string {
  if (!view.isTerminal) {
    return lines(
      entries.map((entry) =>
        [entry.entryId, entry.kind, entry.status, entry.agent, isoTime(entry.updatedAt), entry.title]
          .map(escapeLine)
          .join('\t'),
      ),
    );
  }
  const idWidth = idCharacters(entries.map((entry) => entry.entryId));
  const kindWidth = Math.max(...entries.map((entry) => entry.kind.length));
  // Narrow terminals keep id and title, the two that one acts on.
  const hasKind = view.width >= 60;
  const hasTail = view.width >= 76;
  return lines(
    entries.map((entry) => {
      const tail = hasTail ? `${truncate(view, escapeLine(entry.agent), 12)}, ${showTime(view, entry.updatedAt)}` : '';
      const state = entry.status === 'active' ? '' : `[${entry.status}] `;
      const used = idWidth + 2 + (hasKind ? kindWidth + 2 : 0) + (hasTail ? view.measure(tail) + 2 : 0);
      const titleWidth = Math.max(4, view.width - used);
      const title = truncate(view, state + escapeLine(entry.title), titleWidth);
      const cells = [view.paint('dim', entry.entryId.slice(0, idWidth))];
      if (hasKind) cells.push(view.paint(KIND_STYLES[entry.kind], pad(view, entry.kind, kindWidth)));
      cells.push(hasTail ? pad(view, title, titleWidth) : title);
      if (hasTail) cells.push(view.paint('dim', tail));
      return cells.join('  ');
    }),
  );
}

/** What recall found, with what a successor stands for and, if asked for, why each was found. */
export function renderHits(view: View, hits: readonly RecallHit[], isExplained: boolean): string {
  return renderFound(view, hits, (hit) => [
    ...insteadOf(hit),
    ...(isExplained && (hit.matched.length > 0 || hit.reasons.meaning !== undefined) ? [explain(hit)] : []),
  ]);
}

/** Entries about a place in the code, each with the refs that lead there. */
export function renderWhy(view: View, hits: readonly WhyHit[]): string {
  return renderFound(view, hits, (hit) => [...hit.matched.slice(0, MATCHES_SHOWN_MAX).map(leadOf), ...insteadOf(hit)]);
}

/** A block for each, and below it what is to be said of its being found. */
function renderFound<Hit extends Entry>(view: View, hits: readonly Hit[], remarksOn: (hit: Hit) => string[]): string {
  return hits
    .map((hit) => {
      const remarks = remarksOn(hit).flatMap((text) => wrap(view, escapeLine(text), view.width - 2));
      return renderBlock(view, hit) + lines(remarks.map((line) => view.paint('dim', `  ${line}`)));
    })
    .join('\n');
}

function insteadOf(hit: { insteadOf?: string }): string[] {
  return hit.insteadOf === undefined ? [] : [`instead of ${hit.insteadOf}, which it superseded`];
}

function leadOf({ by, ref, names }: WhyMatch): string {
  const named = by === 'commit' ? names.slice(0, COMMIT_DIGITS_SHOWN) : names;
  return `${by} ${named}${ref === names ? '' : `, by its ref ${ref}`}`;
}

function explain({ score, matched, reasons }: RecallHit): string {
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const parts = [
    `words ${percent(reasons.words)}`,
    `order ${percent(reasons.order)}`,
    ...(reasons.lowered < 0.005 ? [] : [`age and doubt −${percent(reasons.lowered)}`]),
    ...(reasons.exact === undefined ? [] : [`exactly its ${reasons.exact}`]),
    ...(reasons.meaning === undefined ? [] : [`meaning ${percent(reasons.meaning)}`]),
  ];
  const found = matched.length === 0 ? 'none of the words' : matched.join(', ');
  return `score ${score.toFixed(2)} (${parts.join(', ')}), relevance ${reasons.relevance.toFixed(2)}: ${found}`;
}

function renderBlock(view: View, entry: Entry): string {
  const about = [
    entry.kind,
    ...(entry.status === 'active' ? [] : [entry.status]),
    entry.agent,
    showTime(view, entry.updatedAt),
    ...entry.tags.map((tag) => `#${tag}`),
  ];
  const block = wrap(view, escapeLine(entry.title), view.width).map((line) => view.paint('bold', line));
  block.push(truncate(view, `  ${about.map(escapeLine).join(' · ')}`, view.width));
  if (entry.conclusion !== '') block.push(...excerpt(view, `Conclusion: ${entry.conclusion}`));
  if (entry.summary !== '') block.push(...excerpt(view, `Summary: ${entry.summary}`));
  block.push(view.paint('dim', `  ${entry.entryId}`));
  return lines(block);
}

function excerpt(view: View, text: string): string[] {
  const all = wrap(view, escapeText(text), view.width - 2).map((line) => `  ${line}`);
  if (!view.isTerminal || all.length <= EXCERPT_LINES_MAX) return all;
  const kept = all.slice(0, EXCERPT_LINES_MAX);
  kept[EXCERPT_LINES_MAX - 1] = truncate(view, `${kept.at(-1) ?? ''} …`, view.width);
  return kept;
}

/** Everything there is to know of one entry. */
export function renderCard(view: View, entry: Entry): string {
  const fields: (readonly [string, string])[] = [
    ['id', entry.entryId],
    ['kind', entry.kind],
    ['status', entry.supersededBy === undefined ? entry.status : `${entry.status} by ${entry.supersededBy}`],
    ['agent', entry.agent],
    ['confidence', String(entry.confidence)],
    ['tags', entry.tags.join(', ')],
    ['refs', subjectRefs(entry.refs).join(', ')],
    ['recorded', describeProvenance(entry.refs)],
    ['created', showTime(view, entry.createdAt)],
    ['updated', showTime(view, entry.updatedAt)],
    ['project', entry.projectId],
    ['workspace', entry.workspaceId],
  ];
  const card = wrap(view, escapeLine(entry.title), view.width).map((line) => view.paint('bold', line));
  card.push(
    ...renderFields(
      view,
      fields.filter(([, value]) => value !== ''),
    ),
  );
  for (const [name, text] of [
    ['Summary', entry.summary],
    ['Conclusion', entry.conclusion],
  ] as const) {
    if (text === '') continue;
    card.push('', view.paint('bold', name), ...wrap(view, escapeText(text), view.width - 2).map((line) => `  ${line}`));
  }
  return lines(card);
}

/** `name  value` lines with the values in one column. */
export function renderFields(view: View, fields: readonly (readonly [string, string])[]): string[] {
  const nameWidth = Math.max(...fields.map(([name]) => name.length));
  return fields.flatMap(([name, value]) => {
    const [first = '', ...rest] = wrap(view, escapeLine(value), view.width - nameWidth - 2);
    return [
      `${view.paint('dim', name.padEnd(nameWidth))}  ${first}`,
      ...rest.map((line) => `${' '.repeat(nameWidth)}  ${line}`),
    ];
  });
}

/** The log, one line a change. Piped: sequence number, time of arrival, outcome, status, origin, id and title by tabs. */
export function renderLog(view: View, changes: readonly LoggedChange[]): string {
  if (!view.isTerminal) {
    return lines(
      changes.map(({ seq, receivedAt, outcome, origin, entry }) =>
        [String(seq), isoTime(receivedAt), outcome, entry.status, origin, entry.entryId, entry.title]
          .map(escapeLine)
          .join('\t'),
      ),
    );
  }
  const idWidth = idCharacters(changes.map((change) => change.entry.entryId));
  return lines(
    changes.map(({ seq, receivedAt, outcome, entry }) => {
      const state = [
        outcome === 'applied' ? '' : `[${outcome}] `,
        entry.status === 'active' ? '' : `[${entry.status}] `,
      ];
      const text = `${showTime(view, receivedAt)}, ${entry.agent}: ${state.join('')}${entry.title}`;
      const head = `${String(seq).padStart(6)}  ${entry.entryId.slice(0, idWidth)}`;
      return `${view.paint('dim', head)}  ${truncate(view, escapeLine(text), Math.max(4, view.width - head.length - 2))}`;
    }),
  );
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
