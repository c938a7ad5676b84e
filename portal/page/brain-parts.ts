/** Elements of the brain's page, made of text nodes alone: what agents recorded is never markup. */
import { describeProvenance, subjectRefs } from '../../lib/core/provenance.ts';
import type { Entry, HistoryVersion, Looked, RecallHit } from './brain-api.ts';

type Child = Node | string | undefined | false;

/** `h('p.quiet', 'text', …)`: an element with its classes and children. */
export function h(name: string, ...children: Child[]): HTMLElement {
  const [tag = 'div', ...classes] = name.split('.');
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(' ');
  for (const child of children) if (child !== undefined && child !== false) element.append(child);
  return element;
}

export function button(text: string, run: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = text;
  element.addEventListener('click', run);
  return element;
}

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export function when(timeMs: number): HTMLElement {
  const agoMs = timeMs - Date.now();
  const [unit, lengthMs] = UNITS.find(([, unitMs]) => Math.abs(agoMs) >= unitMs) ?? ['minute' as const, Infinity];
  const element = h('time', lengthMs === Infinity ? 'just now' : relative.format(Math.trunc(agoMs / lengthMs), unit));
  element.setAttribute('datetime', new Date(timeMs).toISOString());
  element.title = new Date(timeMs).toLocaleString();
  return element;
}

function kindOf(kind: Entry['kind']): HTMLElement {
  return h(`span.kind.${kind}`, kind);
}

const EXCERPT_CHARACTERS_MAX = 280;

/** One line of the list. */
export function hitItem(hit: Entry & Partial<RecallHit>, open: (entryId: string) => void): HTMLLIElement {
  const link = h('a.title', hit.title);
  link.setAttribute('href', `#${hit.entryId}`);
  link.addEventListener('click', (event) => {
    if (event instanceof MouseEvent && (event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    open(hit.entryId);
  });
  const text = hit.conclusion === '' ? hit.summary : hit.conclusion;
  const excerpt = text.length > EXCERPT_CHARACTERS_MAX ? `${text.slice(0, EXCERPT_CHARACTERS_MAX)}…` : text;
  const item = document.createElement('li');
  item.dataset['id'] = hit.entryId;
  item.append(
    link,
    h(
      'p.about',
      kindOf(hit.kind),
      hit.status === 'active' ? undefined : h('span.state', hit.status),
      h('span', hit.agent),
      when(hit.updatedAt),
      hit.score === undefined || hit.score === 0 ? undefined : scoreOf(hit.score, hit.matched ?? []),
      hit.insteadOf === undefined ? undefined : h('span', `instead of ${hit.insteadOf.slice(0, 13)}`),
    ),
    excerpt === '' ? '' : h('p.excerpt', excerpt),
  );
  return item;
}

function scoreOf(score: number, matched: readonly string[]): HTMLElement {
  const meter = document.createElement('meter');
  meter.value = score;
  meter.title = `${Math.round(100 * score)} % of what the question could reach: ${matched.join(', ')}`;
  return meter;
}

export interface EntryActions {
  isReadOnly: boolean;
  open(entryId: string): void;
  close(): void;
  retract(entry: Entry): void;
  supersede(entry: Entry): void;
  search(text: string): void;
}

/** All there is to know of one entry. */
export function entryView({ entry, history, versions, conflict }: Looked, actions: EntryActions): Node[] {
  const changes =
    actions.isReadOnly || entry.status !== 'active'
      ? []
      : [button('Supersede …', () => actions.supersede(entry)), button('Retract …', () => actions.retract(entry))];
  const refs = subjectRefs(entry.refs);
  const recorded = describeProvenance(entry.refs);
  return [
    h(
      'p.actions',
      button('‹ back', () => actions.close()),
      ...changes,
    ),
    h('h1', entry.title),
    h(
      'p.about',
      kindOf(entry.kind),
      entry.status === 'active' ? undefined : h('span.state', entry.status),
      h('span', entry.agent),
      when(entry.updatedAt),
      h('span', `${Math.round(100 * entry.confidence)} % sure`),
      ...entry.tags.map((tag) => chip(`#${tag}`, () => actions.search(`tag:${tag}`))),
    ),
    ...(entry.supersededBy === undefined
      ? []
      : [
          h(
            'p',
            'Superseded by ',
            linkTo(entry.supersededBy, (id) => actions.open(id)),
          ),
        ]),
    ...(entry.conclusion === '' ? [] : [h('h2', 'Conclusion'), h('p.text', entry.conclusion)]),
    ...(entry.summary === '' ? [] : [h('h2', 'Summary'), h('p.text', entry.summary)]),
    ...(refs.length === 0 ? [] : [h('h2', 'Refs'), h('ul.refs', ...refs.map(refItem))]),
    ...(conflict === null ? [] : conflictView(conflict.current, conflict.losers)),
    h('h2', `History (${versions} ${versions === 1 ? 'version' : 'versions'})`),
    h('ol.history', ...history.map(versionItem)),
    ...(recorded === '' ? [] : [h('p.id', `Recorded: ${recorded}`)]),
    h('p.id', entry.entryId),
  ];
}

function chip(text: string, run: () => void): HTMLButtonElement {
  const element = button(text, run);
  element.className = 'tag';
  return element;
}

function linkTo(entryId: string, open: (entryId: string) => void): HTMLElement {
  const link = h('a', entryId.slice(0, 13));
  link.setAttribute('href', `#${entryId}`);
  link.addEventListener('click', (event) => {
    event.preventDefault();
    open(entryId);
  });
  return link;
}

/** Only addresses of the web are links: a ref may be anything, `javascript:` too. */
function refItem(ref: string): HTMLElement {
  if (!/^https?:\/\/[^\s]+$/i.test(ref) || !URL.canParse(ref)) return h('li', ref);
  const link = h('a', ref);
  link.setAttribute('href', ref);
  link.setAttribute('rel', 'noopener noreferrer');
  link.setAttribute('target', '_blank');
  return h('li', link);
}

const SIDE_BY_SIDE = ['title', 'kind', 'status', 'confidence', 'conclusion', 'summary', 'tags', 'refs'] as const;

interface Version {
  entry: Entry;
  replicaId: string;
}

/** The version that holds and those that lost unseen, side by side, as far as they differ. */
function conflictView(current: Version, losers: readonly Version[]): Node[] {
  const all = [current, ...losers];
  const shown = (entry: Entry, field: (typeof SIDE_BY_SIDE)[number]): string => String(entry[field]);
  const fields = SIDE_BY_SIDE.filter((field) => new Set(all.map(({ entry }) => shown(entry, field))).size > 1);
  const columns = all.map((version, index) =>
    h(
      'div.version',
      h('h3', index === 0 ? 'holds' : 'lost'),
      h(
        'p.about',
        h('span', version.entry.agent),
        when(version.entry.updatedAt),
        h('span', version.replicaId.slice(0, 8)),
      ),
      ...fields.flatMap((field) => [h('h4', field), h('p.text', shown(version.entry, field) || '–')]),
    ),
  );
  return [
    h('h2', 'In conflict'),
    h(
      'p',
      'Written without having seen each other. ',
      h('code', `sm brain resolve ${current.entry.entryId}`),
      ' ends it.',
    ),
    h('div.versions', ...columns),
  ];
}

function versionItem(version: HistoryVersion): HTMLElement {
  const { entry, isCurrent, reason } = version;
  const item = h(
    isCurrent ? 'li.current' : 'li',
    h('p.about', when(entry.updatedAt), h('span', entry.agent), h('span', entry.status), h('span', reason)),
  );
  if (!isCurrent) {
    const details = h('details', h('summary', entry.title), h('p.text', entry.conclusion), h('p.text', entry.summary));
    item.append(details);
  }
  return item;
}
