/**
 * The brain's page: search as one types, an entry with its history, what comes in meanwhile, and how the brain is.
 * The address holds the entry (`#<id>`) and the search (`?q=`), so that both can be kept and sent. Recorded text is only
 * ever shown as text.
 */
import { change, type Entry, look, type Overview, overview, type RecallHit, Refusal, search } from './brain-api.ts';
import { graph } from './brain-graph.ts';
import { entryView, h, hitItem, when } from './brain-parts.ts';
import { byId, elementOf } from './dom.ts';
import { loadSettings, themeOf } from './settings.ts';
// The page's own rules come after those that all pages share.
import './base.css';
import './style.css';
import './brain.css';

/** A pause in typing after which is searched, in milliseconds. */
const TYPING_PAUSE_MS = 120;
const FRESH_MS = 4_000;

document.documentElement.dataset['theme'] = themeOf(loadSettings());
const q = elementOf(HTMLInputElement, 'q');
const filters = ['scope', 'kind', 'agent', 'status', 'days'].map((id) => elementOf(HTMLSelectElement, id));
const hits = byId('hits');
const found = byId('found');
const news = elementOf(HTMLButtonElement, 'news');
const entryBox = byId('entry');
const graphBy = elementOf(HTMLSelectElement, 'graph-by');
const supersedeDialog = elementOf(HTMLDialogElement, 'supersede');
const supersedeText = elementOf(HTMLInputElement, 'supersede-q');
const retractDialog = elementOf(HTMLDialogElement, 'retract');

let known: Overview | undefined;
let searching: AbortController | undefined;
let superseding: AbortController | undefined;
let typing: number | undefined;
let arrived = 0;
let shown: Entry | undefined;

q.value = new URLSearchParams(location.search).get('q') ?? '';
q.addEventListener('input', () => {
  clearTimeout(typing);
  typing = window.setTimeout(() => void find(), TYPING_PAUSE_MS);
});
byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  void find();
});
for (const select of filters) {
  select.addEventListener('change', () => {
    void find();
    if (select.id === 'scope') void learn();
  });
}
news.addEventListener('click', () => void find());
graphBy.addEventListener('change', showGraph);
addEventListener('hashchange', () => void open(location.hash.slice(1)));
addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    q.focus();
  } else if (event.key === 'Escape' && shown !== undefined && document.querySelector('dialog[open]') === null) close();
});
supersedeText.addEventListener('input', () => void findSuccessors());
retractDialog.addEventListener('close', () => {
  if (retractDialog.returnValue === 'yes' && shown !== undefined) void alter('retract', { entryId: shown.entryId });
});

void find();
void learn();
watch();
if (location.hash.length > 1) void open(location.hash.slice(1));
else if (matchMedia('(pointer: fine)').matches) q.focus();

/** Asks what the form says; an answer that comes after a later question is thrown away. */
async function find(): Promise<void> {
  clearTimeout(typing);
  searching?.abort();
  const asking = (searching = new AbortController());
  const query = new URLSearchParams(q.value === '' ? {} : { q: q.value });
  for (const { id, value } of filters) if (value !== '') query.set(id, value);
  history.replaceState(null, '', `${q.value === '' ? '/brain' : `?q=${encodeURIComponent(q.value)}`}${location.hash}`);
  try {
    const answer = await search(query, asking.signal);
    if (asking.signal.aborted) return;
    arrived = 0;
    news.hidden = true;
    showHits(answer);
    if (answer.length > 0) return;
    found.textContent = q.value === '' ? 'Nothing is recorded here.' : 'Nothing relevant is known.';
    if (q.value === '') return;
    query.set('loose', '1');
    const misses = await search(query, asking.signal);
    if (asking.signal.aborted || misses.length === 0) return;
    found.textContent = 'Nothing relevant is known. The nearest misses:';
    showHits(misses, found.textContent);
  } catch (error) {
    if (!asking.signal.aborted) tell(error);
  }
}

function showHits(answer: RecallHit[], title?: string): void {
  const count = answer.length === 1 ? '1 entry' : `${answer.length} entries`;
  found.textContent = title ?? (q.value === '' ? 'The newest' : count);
  hits.replaceChildren(...answer.map((hit) => hitItem(hit, (id) => void open(id))));
  mark();
}

/** The entry, beside the list or, on a phone, in its place. */
async function open(entryId: string): Promise<void> {
  if (entryId === '') return close();
  try {
    const looked = await look(entryId);
    shown = looked.entry;
    if (location.hash !== `#${shown.entryId}`) history.pushState(null, '', `#${shown.entryId}`);
    const view = entryView(looked, {
      isReadOnly: known?.isReadOnly !== false,
      open: (id) => void open(id),
      close,
      retract: () => retractDialog.showModal(),
      supersede: beginSupersede,
      search: (text) => {
        q.value = text;
        close();
        void find();
      },
    });
    entryBox.replaceChildren(...view);
    entryBox.hidden = false;
    document.body.classList.add('reading');
    entryBox.scrollTo(0, 0);
    entryBox.focus({ preventScroll: true });
    mark();
  } catch (error) {
    tell(error);
  }
}

function close(): void {
  shown = undefined;
  entryBox.hidden = true;
  document.body.classList.remove('reading');
  if (location.hash !== '') history.pushState(null, '', location.pathname + location.search);
  mark();
}

function mark(): void {
  for (const item of hits.querySelectorAll('li')) {
    item.toggleAttribute('aria-current', item.dataset['id'] === shown?.entryId);
  }
}

async function alter(what: 'retract' | 'supersede', ids: Record<string, string>): Promise<void> {
  try {
    const { entryId } = await change(what, ids);
    await Promise.all([open(entryId), find(), learn()]);
  } catch (error) {
    tell(error);
  }
}

function beginSupersede(): void {
  supersedeText.value = '';
  byId('supersede-hits').replaceChildren();
  supersedeDialog.showModal();
  void findSuccessors();
}

async function findSuccessors(): Promise<void> {
  superseding?.abort();
  const asking = (superseding = new AbortController());
  try {
    const text = supersedeText.value.trim();
    const answer = await search(
      new URLSearchParams({ ...(text === '' ? {} : { q: text }), loose: '1' }),
      asking.signal,
    );
    if (asking.signal.aborted) return;
    const others = answer
      .filter(({ entryId, status }) => entryId !== shown?.entryId && status === 'active')
      .slice(0, 8);
    const choose = (newId: string): void => {
      supersedeDialog.close();
      if (shown !== undefined) void alter('supersede', { oldId: shown.entryId, newId });
    };
    byId('supersede-hits').replaceChildren(...others.map((other) => hitItem(other, choose)));
  } catch (error) {
    if (!asking.signal.aborted) tell(error);
  }
}

/** How the brain is: counts, graph, sync. */
async function learn(): Promise<void> {
  try {
    known = await overview(elementOf(HTMLSelectElement, 'scope').value);
  } catch (error) {
    return tell(error);
  }
  const { project, status, sync } = known;
  byId('project').textContent = project;
  byId('project').title = project;
  const { experiment, decision, insight, note } = status.byKind;
  showFields('counts', [
    ['this project', count(status.repoEntries, 'entry', 'entries')],
    ['all projects', count(status.orgEntries, 'entry', 'entries')],
    ['of these', `${decision} decided, ${experiment} tried, ${insight} learned, ${note} noted`],
    ['changes', String(status.changes)],
    ['last', status.lastChangeAt === null ? 'never' : when(status.lastChangeAt)],
  ]);
  const agents = [...new Set(known.activity.counts.map(({ agent }) => agent))].toSorted();
  const select = elementOf(HTMLSelectElement, 'agent');
  const chosen = select.value;
  select.replaceChildren(new Option('any agent', ''), ...agents.map((agent) => new Option(agent, agent)));
  if (chosen !== '' && !agents.includes(chosen)) select.append(new Option(chosen, chosen));
  select.value = chosen;
  showGraph();
  if (sync === null) {
    showFields('sync', [['server', 'none: this brain is on this machine alone. "sm login" shares it.']]);
    return;
  }
  showFields('sync', [
    ['server', sync.endpoint],
    ['pending', sync.pending === 0 ? 'nothing' : count(sync.pending, 'change', 'changes')],
    ['pushed', sync.lastPushAt === null ? 'never' : when(sync.lastPushAt)],
    ['pulled', sync.lastPullAt === null ? 'never' : when(sync.lastPullAt)],
    ...(sync.conflicts === 0 ? [] : [['conflicts', `${sync.conflicts}: sm brain conflicts`] as const]),
    ...(sync.refusedCount === 0 ? [] : [['refused', count(sync.refusedCount, 'change', 'changes')] as const]),
    ...(sync.lastError === null ? [] : [['trouble', sync.lastError.message] as const]),
  ]);
}

function showFields(id: string, fields: readonly (readonly [string, string | Node])[]): void {
  byId(id).replaceChildren(...fields.flatMap(([name, value]) => [h('dt', name), h('dd', value)]));
}

function showGraph(): void {
  if (known === undefined) return;
  byId('graph').replaceChildren(...graph(known.activity, graphBy.value === 'agent' ? 'agent' : 'kind'));
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** What comes in while one looks: shown at once where the newest are shown, else told. */
function watch(): void {
  const source = new EventSource('/api/brain/live');
  source.addEventListener('open', () => showState('open', 'live'));
  source.addEventListener('error', () => showState('waiting', 'reconnecting'));
  source.addEventListener('changes', ({ data }: MessageEvent<string>) => {
    const entries = JSON.parse(data) as Entry[];
    void learn();
    if (shown !== undefined && entries.some(({ entryId }) => entryId === shown?.entryId)) void open(shown.entryId);
    if (q.value === '') void find().then(() => freshen(entries));
    else {
      arrived += entries.length;
      news.textContent = `${count(arrived, 'change', 'changes')} came in: search again`;
      news.hidden = false;
    }
  });
}

function freshen(entries: readonly Entry[]): void {
  for (const item of hits.querySelectorAll('li')) {
    if (!entries.some(({ entryId }) => entryId === item.dataset['id'])) continue;
    item.classList.add('fresh');
    setTimeout(() => item.classList.remove('fresh'), FRESH_MS);
  }
}

function showState(state: string, text: string): void {
  byId('state').dataset['state'] = state;
  byId('state-text').textContent = text;
}

function tell(error: unknown): void {
  found.textContent = error instanceof Refusal ? error.message : 'The portal cannot be reached.';
}
