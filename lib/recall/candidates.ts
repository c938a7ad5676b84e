/**
 * The foremost candidates as entries: reads them in waves, the best first, until enough of them pass the filters. What
 * the postings can tell is asked of them before (demandsOf); the rest, and the truth, is the entries' own.
 */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import { matchesFilter, type StoreFilter, type StoreScope } from '../store/filter.ts';
import { attribute } from './document.ts';
import { readEntriesOf } from './index-tables.ts';
import { fold, type Query } from './query.ts';
import type { Candidate, Demands } from './retrieval.ts';

/** Each wave is so much larger than all before. */
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
  /** Folded; all of them. */
  phrases: string[];
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

/** By BM25, best first. */
export async function readFound(database: Database, candidates: Candidate[], sieve: Sieve): Promise<Found[]> {
  const found: Found[] = [];
  let wave = foremost(candidates, 0, sieve.wanted);
  for (let from = 0; wave.length > 0 && found.length < sieve.wanted;) {
    const passed = await readWave(database, wave, sieve);
    found.push(...passed.filter(({ entry }) => hasPhrases(entry, sieve.phrases)));
    from += wave.length;
    wave = foremost(candidates, from, from * WAVE_GROWTH);
  }
  return found;
}

/** The candidates from the `from`th to before the `end`th, and who has the same score as the last. */
function foremost(candidates: Candidate[], from: number, end: number): Candidate[] {
  if (from >= candidates.length) return [];
  const scores = Float64Array.from(candidates, ({ bm25 }) => bm25).sort();
  const least = scores[Math.max(0, scores.length - end)] ?? 0;
  return candidates
    .filter(({ bm25 }) => bm25 >= least)
    .toSorted((a, b) => b.bm25 - a.bm25)
    .slice(from);
}

async function readWave(database: Database, wave: Candidate[], { scope, filter }: Sieve): Promise<Found[]> {
  const stored = new Map(wave.flatMap((each) => ('doc' in each ? [[each.doc, each.bm25] as const] : [])));
  const entries = await readEntriesOf(database, [...stored.keys()]);
  const found = [...entries].map(([doc, each]) => ({ ...each, bm25: stored.get(doc) ?? 0 }));
  for (const each of wave) if ('waiting' in each) found.push({ ...each.waiting, bm25: each.bm25 });
  return found.filter(({ entry }) => matchesFilter(entry, scope, filter)).toSorted((a, b) => b.bm25 - a.bm25);
}

function hasPhrases(entry: Entry, phrases: string[]): boolean {
  if (phrases.length === 0) return true;
  const texts = [entry.title, entry.conclusion, entry.summary, ...entry.tags, ...entry.refs].map(fold);
  return phrases.every((phrase) => texts.some((text) => text.includes(phrase)));
}
