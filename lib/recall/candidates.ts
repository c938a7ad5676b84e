/**
 * The foremost candidates as entries: reads them in waves, the best first, until enough of them pass the filters. What
 * the postings can tell is asked of them before (demandsOf); the rest, and the truth, is the entries' own.
 */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import { matchesFilter, type StoreFilter, type StoreScope } from '../store/filter.ts';
import { type EntryWithHash, readEntries } from '../store/read.ts';
import { attribute } from './document.ts';
import { readEntriesOf, readNewestOf } from './index-tables.ts';
import { newestFirst } from './newest-first.ts';
import { fitsPhrases, type Phrases } from './phrases.ts';
import type { Query } from './query.ts';
import type { Candidate, Demands } from './retrieval.ts';

/** Each wave is so many times as large as all before it. */
const WAVE_GROWTH = 8;

export interface Found {
  entry: Entry;
  hash: string;
  bm25: number;
}

export interface Sieve {
  scope: StoreScope;
  filter: StoreFilter;
  /** So many are wanted; there may be more. */
  wanted: number;
  phrases: Phrases;
}

export function demandsOf(scope: StoreScope, filter: StoreFilter, { required, excluded }: Query): Demands {
  return {
    all: [
      ...new Set([
        ...required,
        ...(scope.projectId === null ? [] : [attribute('project', scope.projectId)]),
        ...(filter.agent === undefined ? [] : [attribute('agent', filter.agent)]),
        ...(filter.kind === undefined ? [] : [attribute('kind', filter.kind)]),
        ...(filter.tags ?? []).map((tag) => attribute('tag', tag)),
      ]),
    ],
    none: excluded,
  };
}

/** By BM25, best first; of those with the same, the newest first. */
export async function readFound(database: Database, candidates: Candidate[], sieve: Sieve): Promise<Found[]> {
  const found: Found[] = [];
  let rest: readonly Candidate[] = candidates;
  let read = 0;
  while (rest.length > 0 && found.length < sieve.wanted) {
    const wave = await foremost(database, rest, Math.max(sieve.wanted, read * WAVE_GROWTH));
    const passed = await readWave(database, wave, sieve);
    found.push(...passed.filter(({ entry }) => fitsPhrases(entry, sieve.phrases)));
    read += wave.length;
    const taken = new Set(wave);
    rest = rest.filter((each) => !taken.has(each));
  }
  return found;
}

/** Entries that were found otherwise than by their words, as far as they fit. @param scoreOf undefined: it does not */
export async function readNamed(
  database: Database,
  entryIds: readonly string[],
  { scope, filter, phrases }: Sieve,
  scoreOf: (entry: EntryWithHash) => number | undefined,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const each of (await readEntries(database, [...entryIds])).values()) {
    const bm25 = scoreOf(each);
    const fits = bm25 !== undefined && matchesFilter(each.entry, scope, filter) && fitsPhrases(each.entry, phrases);
    if (fits) found.push({ ...each, bm25 });
  }
  return found;
}

/** The `count` best candidates, in no order. Of many that are as good as the last, the newest: they are not all read. */
async function foremost(
  database: Database,
  candidates: readonly Candidate[],
  count: number,
): Promise<readonly Candidate[]> {
  if (candidates.length <= count) return candidates;
  const scores = Float64Array.from(candidates, ({ bm25 }) => bm25).sort();
  const least = scores[scores.length - count] ?? 0;
  const better = candidates.filter(({ bm25 }) => bm25 > least);
  const ties = candidates.filter(({ bm25 }) => bm25 === least);
  const room = count - better.length;
  return [...better, ...(ties.length > room ? await newest(database, ties, room) : ties)];
}

async function newest(database: Database, ties: readonly Candidate[], count: number): Promise<Candidate[]> {
  const stored = new Map(ties.flatMap((each) => ('doc' in each ? [[each.doc, each] as const] : [])));
  const dated: { candidate: Candidate; updatedAt: number; entryId: string }[] = [];
  for (const { doc, ...date } of await readNewestOf(database, [...stored.keys()], count)) {
    const candidate = stored.get(doc);
    if (candidate !== undefined) dated.push({ candidate, ...date });
  }
  for (const each of ties) if ('waiting' in each) dated.push({ candidate: each, ...each.waiting.entry });
  return dated
    .toSorted(newestFirst)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

async function readWave(database: Database, wave: readonly Candidate[], { scope, filter }: Sieve): Promise<Found[]> {
  const stored = new Map(wave.flatMap((each) => ('doc' in each ? [[each.doc, each.bm25] as const] : [])));
  const entries = await readEntriesOf(database, [...stored.keys()]);
  const found = [...entries].map(([doc, each]) => ({ ...each, bm25: stored.get(doc) ?? 0 }));
  for (const each of wave) if ('waiting' in each) found.push({ ...each.waiting, bm25: each.bm25 });
  return found
    .filter(({ entry }) => matchesFilter(entry, scope, filter))
    .toSorted((a, b) => b.bm25 - a.bm25 || newestFirst(a.entry, b.entry));
}
