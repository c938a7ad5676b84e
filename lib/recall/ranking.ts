/** From candidates with their BM25 to ranked entries with a score and its reasons. Pure but for looking up words. */
import type { Entry } from '../core/entry.ts';
import { DOUBTFUL_BELOW } from '../core/standing.ts';
import type { Database } from '../store/database.ts';
import { analysed } from './analysed.ts';
import { inverseFrequency, orderBonus } from './bm25.ts';
import type { Found } from './candidates.ts';
import { newestFirst } from './newest-first.ts';
import type { Query } from './query.ts';
import { coverageOf, relevanceOf } from './relevance.ts';
import type { Corpus } from './retrieval.ts';
import { UNKNOWN_WORDS_MAX, variantsOf } from './unknown-words.ts';
import type { Nearness } from './vectors.ts';

/** The foremost by BM25, whose order of words is looked at. */
export const REORDERED_MAX = 40;

/** That none of so many entries has a word tells that it is about something else; that none of five has, tells nothing. */
const TELLING_DOCUMENTS = 500;

/** What meaning counts beside words, where an address for embeddings is configured (docs/RECALL.md). */
const MEANING_SHARE = 0.3;

/** What an entry loses by age, by doubt, or by having been superseded: a tie-breaker, no more. */
const RECENCY_SHARE = 0.03;
const RECENCY_HALF_LIFE_MS = 180 * 86_400_000;
const CONFIDENCE_SHARE = 0.03;
const SUPERSEDED_SHARE = 0.05;
/** What was found stale more than once is as good as superseded. */
const DOUBTFUL_SHARE = 0.05;

/** What a term is worth that few entries have, as a share of one that a single entry has: of 3,000 entries some thirty. */
const RARE_SHARE = 0.6;

/** Where a hit's score comes from, each as a share of the greatest score that the query could reach. */
export interface Reasons {
  /** BM25 of the words. */
  words: number;
  /** Words that stand together, and a title that says little else. */
  order: number;
  /** By how much age, doubt and supersession lowered it: from 0 to 0.16. */
  lowered: number;
  /** The score as far as so few and so common matching words can be believed: it decides whether there is an answer at all. */
  relevance: number;
  /** The query is exactly its id, or one of its tags or refs. */
  exact?: 'id' | 'tag' | 'ref';
  /** How far it stands out from all others by its meaning, from 0 to 1; absent where that is not known. */
  meaning?: number;
}

/** An entry with its relevance from 0 to 1. */
export interface RankedEntry extends Entry {
  score: number;
  /** The query's words that it has. */
  matched: string[];
  reasons: Reasons;
  /** The superseded entry that was found, and whose successor this is. */
  insteadOf?: string;
}

/** What the words of a query are worth in a corpus. */
export interface Worths {
  /** By term, those that stand for unknown words included. */
  terms: Map<string, number>;
  /** By word as typed: the terms that count as it. */
  byWord: Map<string, string[]>;
  /** The greatest BM25 that an entry could have. */
  max: number;
  /** Of a word that a single entry has. */
  rarest: number;
}

/** The terms of the query must be loaded. */
export async function weighWords(database: Database, corpus: Corpus, { words }: Query): Promise<Worths> {
  const terms = new Map<string, number>();
  const byWord = new Map<string, string[]>();
  const { documents } = corpus.statistics;
  const rarest = inverseFrequency(documents, 0);
  const unknownWorth = rarest * Math.min(1, documents / TELLING_DOCUMENTS);
  let max = 0;
  let unknown = 0;
  for (const word of words) {
    const known = word.terms.filter((term) => corpus.frequencyOf(term) > 0);
    byWord.set(word.text, known);
    for (const term of known) {
      if (!terms.has(term)) max += corpus.worthOf(term);
      terms.set(term, corpus.worthOf(term));
    }
    const [whole = '', ...parts] = word.terms;
    if (known.length === 0 && unknown < UNKNOWN_WORDS_MAX) {
      unknown += 1;
      const variants = await variantsOf(database, corpus, whole);
      byWord.set(
        word.text,
        variants.map(({ term }) => term),
      );
      for (const { term, share } of variants) {
        if (!terms.has(term)) terms.set(term, share * corpus.worthOf(term));
      }
      if (variants.length > 0) {
        max += Math.max(...variants.map(({ term, share }) => share * corpus.worthOf(term)));
        continue;
      }
    }
    // A name that is unknown as a whole counts by its parts; all else that is unknown was asked for, and is not there.
    max += unknownWorth * (parts.length === 0 ? [whole] : parts).filter((term) => !known.includes(term)).length;
  }
  return { terms, byWord, max, rarest };
}

/** Best first; what has the same score, the newest first. */
export function rank(
  found: Found[],
  { parsed, worths, nowMs, nearness }: { parsed: Query; worths: Worths; nowMs: number; nearness?: Nearness },
): RankedEntry[] {
  const worthOf = (term: string): number => worths.terms.get(term) ?? 0;
  const share = (part: number): number => Math.min(1, part / worths.max);
  const isRare = (term: string): boolean => worthOf(term) >= RARE_SHARE * worths.rarest;
  const ranked = found.map((each, index) => {
    const { document, fields } = analysed(each);
    const bonus = index < REORDERED_MAX ? orderBonus(parsed.sequence, fields, worthOf) : 0;
    const lowered = loweredBy(each.entry, nowMs);
    const exact = exactMatch(each.entry, parsed.text);
    const matched = [...worths.byWord].flatMap(([word, terms]) =>
      terms.some((term) => document.weights.has(term)) ? [word] : [],
    );
    const ofWords = (each.bm25 + bonus) * (1 - lowered);
    const has = (term: string): boolean => document.weights.has(term);
    const coverage = coverageOf(parsed.words, worths.byWord, has, isRare);
    const relevance =
      exact === undefined ? relevanceOf(share(ofWords), ofWords / worths.rarest, coverage) : share(ofWords);
    const reasons: Reasons = { words: share(each.bm25), order: share(bonus), lowered, relevance };
    if (exact !== undefined) reasons.exact = exact;
    const meaning = nearness?.of(each.entry.entryId);
    if (meaning !== undefined) reasons.meaning = meaning;
    // One that has no vector yet is neither better nor worse for it.
    const points =
      meaning === undefined
        ? ofWords
        : (1 - MEANING_SHARE) * ofWords + MEANING_SHARE * meaning * (1 - lowered) * worths.max;
    return { points, hit: { ...each.entry, score: share(points), matched, reasons } };
  });
  return ranked.toSorted((a, b) => b.points - a.points || newestFirst(a.hit, b.hit)).map(({ hit }) => hit);
}

function loweredBy({ updatedAt, confidence, status }: Entry, nowMs: number): number {
  const age = 1 - 0.5 ** (Math.max(0, nowMs - updatedAt) / RECENCY_HALF_LIFE_MS);
  const doubt = CONFIDENCE_SHARE * (1 - confidence) + (confidence < DOUBTFUL_BELOW ? DOUBTFUL_SHARE : 0);
  return RECENCY_SHARE * age + doubt + (status === 'superseded' ? SUPERSEDED_SHARE : 0);
}

function exactMatch({ tags, refs }: Entry, text: string): 'tag' | 'ref' | undefined {
  const folded = text.toLowerCase();
  if (tags.some((tag) => tag.toLowerCase() === folded)) return 'tag';
  return refs.some((ref) => ref.toLowerCase() === folded) ? 'ref' : undefined;
}
