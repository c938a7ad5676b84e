/**
 * BM25, and what is added to it for the foremost: words of the query that stand together, and titles that say little
 * else. Pure. The figures behind each constant are in docs/RECALL.md.
 *
 * Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
 */
import { type FieldTerms, lengthOf } from './document.ts';

/** How soon more of the same word stops to matter. */
const K1 = 1.6;
/** How much longer texts count less. */
const B = 0.6;
/** Fewer tell nothing of which words are rare. */
const DOCUMENTS_MIN = 100;
/** Weights and lengths are stored in halves. */
const HALF = 0.5;
const LENGTH_CODES = 256;

/** Words of the query that follow each other are looked for so near together, in terms. */
const NEAR_TERMS = 8;
const NEAR_WEIGHT = 0.3;
const TITLE_WEIGHT = 0.5;

/** What ranking knows of all entries of the workspace. */
export interface Statistics {
  documents: number;
  /** In halves. */
  averageLength: number;
}

export type Weigh = (weight: number, lengthCode: number) => number;

/** How rare a term is; of one that no document has, the greatest that there is. */
export function inverseFrequency(documentsThere: number, documentFrequency: number): number {
  const documents = Math.max(documentsThere, DOCUMENTS_MIN);
  return Math.log(1 + (documents - documentFrequency + 0.5) / (documentFrequency + 0.5));
}

/** What a term of inverse frequency 1 gives a document, from 0 to 1 (that much only in the limit). */
export function weigher({ averageLength }: Statistics): Weigh {
  const norms = Float64Array.from(
    { length: LENGTH_CODES },
    (_, code) => K1 * (1 - B + (B * lengthOf(code)) / Math.max(averageLength, Number.MIN_VALUE)),
  );
  return (weight, lengthCode) => {
    const frequency = weight * HALF;
    return frequency / (frequency + (norms[lengthCode] ?? K1));
  };
}

/**
 * What the order of an entry's words adds to its BM25, on the same scale: for each pair of words that follow each other
 * in the query, the rarer one's worth by how near they come; and the title's words that were asked for, by the share of
 * the title that they are.
 */
export function orderBonus(sequence: readonly string[], fields: FieldTerms, worthOf: (term: string) => number): number {
  const asked = new Set(sequence);
  return (
    NEAR_WEIGHT * nearness(sequence, asked, fields, worthOf) + TITLE_WEIGHT * titleShare(asked, fields.title, worthOf)
  );
}

function pairsOf(sequence: readonly string[]): [string, string][] {
  const pairs = new Map<string, [string, string]>();
  for (let index = 1; index < sequence.length; index += 1) {
    const [first, second] = [sequence[index - 1] ?? '', sequence[index] ?? ''];
    if (first !== second) pairs.set(`${first} ${second}`, [first, second]);
  }
  return [...pairs.values()];
}

function nearness(
  sequence: readonly string[],
  asked: ReadonlySet<string>,
  fields: FieldTerms,
  worthOf: (term: string) => number,
): number {
  const nearest = new Map<string, number>();
  for (const terms of [fields.title, fields.conclusion, fields.summary]) noteDistances(terms, asked, nearest);
  let sum = 0;
  for (const [first, second] of pairsOf(sequence)) {
    // In the order of the query; the other way round counts as one further apart.
    const there = nearest.get(`${first} ${second}`) ?? Infinity;
    const back = (nearest.get(`${second} ${first}`) ?? Infinity) + 1;
    sum += Math.min(worthOf(first), worthOf(second)) / Math.min(there, back);
  }
  return sum;
}

/** The least distance from each asked term to each other one that follows it, within NEAR_TERMS. */
function noteDistances(terms: readonly string[], asked: ReadonlySet<string>, nearest: Map<string, number>): void {
  const lastPlaces = new Map<string, number>();
  for (const [place, term] of terms.entries()) {
    if (!asked.has(term)) continue;
    for (const [other, otherPlace] of lastPlaces) {
      const distance = place - otherPlace;
      if (distance > NEAR_TERMS) lastPlaces.delete(other);
      else if (other !== term) {
        const pair = `${other} ${term}`;
        nearest.set(pair, Math.min(distance, nearest.get(pair) ?? Infinity));
      }
    }
    lastPlaces.set(term, place);
  }
}

function titleShare(asked: ReadonlySet<string>, title: readonly string[], worthOf: (term: string) => number): number {
  const terms = new Set(title);
  let worth = 0;
  let count = 0;
  for (const term of terms) {
    if (!asked.has(term)) continue;
    worth += worthOf(term);
    count += 1;
  }
  return count === 0 ? 0 : (worth * count) / terms.size;
}
