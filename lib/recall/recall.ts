/**
 * Finding entries: a query in, ranked entries out, or nothing where nothing is relevant. Owns what "relevant" means. Reads
 * only. A word of the query that an entry lacks lowers its rank and never hides it.
 */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import { matchesFilter, type StoreFilter, type StoreScope } from '../store/filter.ts';
import { type EntryWithHash, findByPrefix, listEntries, readPast } from '../store/read.ts';
import { demandsOf, readFound, readNamed } from './candidates.ts';
import { titlesWith } from './common-words.ts';
import { attribute } from './document.ts';
import { newestFirst } from './newest-first.ts';
import { parseQuery, type Query } from './query.ts';
import { rank, type RankedEntry, REORDERED_MAX, weighWords } from './ranking.ts';
import { RELEVANT_MIN } from './relevance.ts';
import { Corpus } from './retrieval.ts';
import { withSuccessors } from './successors.ts';
import type { Nearness } from './vectors.ts';

/** An entry that stands out so far by its meaning is an answer without a common word. */
const MEANT_MIN = 0.5;
/** An entry that is so far below the greatest score is not shown beside a good one. */
const TAIL_MIN = 0.1;

/** More than words and their order can give together: it comes first. */
const EXACT_WORTH = 2;

const ID_PREFIX = /^[0-9a-f]{8}(?:-[0-9a-f-]{0,27})?$/i;

export interface RecallQuery {
  scope: StoreScope;
  filter: StoreFilter;
  /** Free text; without any word in it the newest entries are the answer. */
  text: string;
  limit: number;
  nowMs: number;
  /** Also what is not relevant enough. */
  isLoose?: boolean;
  /** Answers from the versions that were current at this time. */
  asOfMs?: number;
  /** What the question is near to by its meaning; without it words alone count. */
  nearness?: Nearness;
}

/** The entries that fit `query`, best first; none where the best one is not relevant. */
export async function recallEntries(database: Database, asked: RecallQuery): Promise<RankedEntry[]> {
  const { asOfMs, text, scope } = asked;
  const past = asOfMs === undefined ? new Map<string, EntryWithHash>() : await readPast(database, scope, asOfMs);
  const query = asOfMs === undefined ? asked : { ...asked, filter: untilThen(asked.filter, asOfMs) };
  const parsed = parseQuery(text);
  if (parsed.words.length === 0) return withoutWords(database, query, parsed, past);

  const filter = showsInactive(query.filter) ? query.filter : { ...query.filter, statuses: WITH_SUCCESSORS };
  const demands = demandsOf(scope, filter, parsed);
  const exactTerms = [attribute('tag', parsed.text), attribute('ref', parsed.text)];
  const terms = new Set([...parsed.sequence, ...demands.all, ...demands.none, ...exactTerms]);
  const corpus = await Corpus.open(database, scope.workspaceId, [...terms], [...past.values()]);
  const worths = await weighWords(database, corpus, parsed);
  const exact = { terms: exactTerms, worth: EXACT_WORTH * worths.max };
  const scoring = { terms: worths.terms, demands, exact };
  const candidates = corpus.score(scoring);
  const phrases = { wanted: parsed.phrases, excluded: parsed.excludedPhrases };
  const sieve = { scope, filter, wanted: Math.max(query.limit, REORDERED_MAX), phrases };
  let found = await readFound(database, candidates, sieve);
  // A phrase that nothing has is a wish, not a filter: the words may still be there.
  if (found.length === 0)
    found = await readFound(database, candidates, { ...sieve, phrases: { ...phrases, wanted: [] } });
  // What something meant then, no vector tells.
  const nearness = asOfMs === undefined ? query.nearness : undefined;
  const ids = new Set(found.map(({ entry }) => entry.entryId));
  const near = nearness?.nearest.filter((id) => !ids.has(id)) ?? [];
  found.push(...(await readNamed(database, near, sieve, (entry) => corpus.scoreOne(entry, scoring))));

  const ranked = rank(found, { parsed, worths, nowMs: asOfMs ?? query.nowMs, ...(nearness && { nearness }) });
  const relevant = query.isLoose === true ? ranked : keepRelevant(ranked);
  const answer = showsInactive(query.filter)
    ? relevant.slice(0, query.limit)
    : await withSuccessors(database, relevant, { scope, limit: query.limit, past });
  return withNamedFirst(database, query, parsed.text, answer);
}

/** A superseded entry is found, and brings its successor; a retracted one is gone. */
const WITH_SUCCESSORS: NonNullable<StoreFilter['statuses']> = ['active', 'superseded'];

function showsInactive({ includeInactive, statuses }: StoreFilter): boolean {
  return includeInactive === true || statuses !== undefined;
}

function untilThen(filter: StoreFilter, asOfMs: number): StoreFilter {
  return { ...filter, untilMs: Math.min(asOfMs, filter.untilMs ?? asOfMs) };
}

function keepRelevant(ranked: RankedEntry[]): RankedEntry[] {
  const isRelevant = ranked.some(
    ({ reasons }) => reasons.relevance >= RELEVANT_MIN || (reasons.meaning ?? 0) >= MEANT_MIN,
  );
  return isRelevant ? ranked.filter(({ score }) => score >= TAIL_MIN) : [];
}

/** Without words that tell anything: titles of just these, or, where none was said, the newest that pass the filters. */
async function withoutWords(
  database: Database,
  query: RecallQuery,
  parsed: Query,
  past: ReadonlyMap<string, EntryWithHash>,
): Promise<RankedEntry[]> {
  const tags = parsed.required.map((label) => label.slice('=tag:'.length));
  const filter = { ...query.filter, tags: [...(query.filter.tags ?? []), ...tags] };
  if (parsed.common !== '') return titlesWith(database, parsed.common, { ...query, filter }, past);
  if (query.text.trim() !== '' && parsed.required.length === 0) return [];
  const leavesOut = parsed.excluded.length + parsed.excludedPhrases.length > 0;
  const newest = leavesOut
    ? await newestTagged(database, query, parsed, past)
    : await newestOf(database, { ...query, filter }, past);
  return newest.map((entry) => ({
    ...entry,
    score: 0,
    matched: [],
    reasons: { words: 0, order: 0, lowered: 0, relevance: 0 },
  }));
}

async function newestOf(
  database: Database,
  query: RecallQuery,
  past: ReadonlyMap<string, EntryWithHash>,
): Promise<Entry[]> {
  const { scope, filter, limit } = query;
  const now = await listEntries(database, query);
  const then = [...past.values()].flatMap(({ entry }) => (matchesFilter(entry, scope, filter) ? [entry] : []));
  return [...now, ...then].toSorted(newestFirst).slice(0, limit);
}

/** `tag:db -staging`: the index knows what has the word. */
async function newestTagged(
  database: Database,
  { scope, filter, limit }: RecallQuery,
  parsed: Query,
  past: ReadonlyMap<string, EntryWithHash>,
): Promise<Entry[]> {
  const demands = demandsOf(scope, filter, parsed);
  const terms = [...new Set([...demands.all, ...demands.none])];
  const corpus = await Corpus.open(database, scope.workspaceId, terms, [...past.values()]);
  const tagged = corpus.score({ terms: new Map(), demands, exact: { terms: parsed.required, worth: 1 } });
  const phrases = { wanted: [], excluded: parsed.excludedPhrases };
  const found = await readFound(database, tagged, { scope, filter, wanted: limit, phrases });
  return found.slice(0, limit).map(({ entry }) => entry);
}

/** An entry that is asked for by its id comes first, whatever else has such words. */
async function withNamedFirst(
  database: Database,
  query: RecallQuery,
  text: string,
  ranked: RankedEntry[],
): Promise<RankedEntry[]> {
  if (!ID_PREFIX.test(text) || query.asOfMs !== undefined) return ranked;
  const prefix = text.toLowerCase();
  const named = await findByPrefix(database, { workspaceId: query.scope.workspaceId, prefix, limit: query.limit });
  const first = named.map(({ entry }: { entry: Entry }) => ({
    ...entry,
    score: 1,
    matched: [text],
    reasons: { words: 1, order: 0, lowered: 0, relevance: 1, exact: 'id' as const },
  }));
  const ids = new Set(first.map(({ entryId }) => entryId));
  return [...first, ...ranked.filter(({ entryId }) => !ids.has(entryId))].slice(0, query.limit);
}
