/**
 * From terms to candidates: every document of a workspace that has one of the terms, with its BM25, best first. Reads the
 * segments' postings and goes through the entries that are in none; which of the two an entry is in changes nothing.
 * Holds some bytes for each document while it runs, and what it has taken apart of those that wait, and nothing afterwards:
 * each of them is taken apart once for a question, however many terms that has.
 */
import type { Database } from '../store/database.ts';
import { type EntryWithHash, readEntries } from '../store/read.ts';
import { analysed } from './analysed.ts';
import { inverseFrequency, type Statistics, type Weigh, weigher } from './bm25.ts';
import { type Document, lengthOf } from './document.ts';
import { readIndex, readPostings, type Segment, type StoredPostings } from './index-tables.ts';
import { SEGMENT_DOCUMENTS_MAX, visitPostings } from './postings.ts';

/** What an entry must have and must not have, as terms and attributes. */
export interface Demands {
  all: readonly string[];
  none: readonly string[];
}

/** Attributes that put an entry above all that has none of them. */
export interface Exact {
  terms: readonly string[];
  worth: number;
}

/** A document in a segment (`doc`), or an entry that is in none (`waiting`). */
export type Candidate = { bm25: number } & ({ doc: number } | { waiting: EntryWithHash });

interface Scoring {
  terms: ReadonlyMap<string, number>;
  demands: Demands;
  exact: Exact;
}

/** An entry that is in no segment yet, taken apart. */
interface Waiting {
  entry: EntryWithHash;
  document: Document;
}

/** The workspace's index as one question sees it. */
export class Corpus {
  readonly statistics: Statistics;
  readonly #weigh: Weigh;
  readonly #segments: Segment[];
  readonly #waiting: Waiting[];
  readonly #postings = new Map<string, Map<number, Uint8Array>>();
  readonly #dead = new Map<number, ReadonlySet<number>>();
  readonly #database: Database;
  readonly #frequencies = new Map<string, number>();

  private constructor(database: Database, segments: Segment[], waiting: Waiting[]) {
    this.#database = database;
    this.#segments = segments;
    this.#waiting = waiting;
    let documents = waiting.length;
    let length = 0;
    for (const { document } of waiting) length += lengthOf(document.lengthCode);
    for (const { segment, documents: all, lengthTotal, dead } of segments) {
      documents += all - dead.length;
      length += lengthTotal - dead.reduce((sum, [, lengthCode]) => sum + lengthOf(lengthCode), 0);
      if (dead.length > 0) this.#dead.set(segment, new Set(dead.map(([place]) => place)));
    }
    this.statistics = { documents, averageLength: documents === 0 ? 0 : length / documents };
    this.#weigh = weigher(this.statistics);
  }

  /** With these terms loaded. `past` are entries as they once were; they count instead of what they are now. */
  static async open(
    database: Database,
    workspaceId: string,
    terms: readonly string[],
    past: EntryWithHash[] = [],
  ): Promise<Corpus> {
    const { segments, waitingIds, postings } = await readIndex(database, workspaceId, terms);
    const waiting = await readEntries(database, waitingIds);
    const apart = [...waiting.values(), ...past].map((entry) => ({ entry, document: analysed(entry).document }));
    const corpus = new Corpus(database, segments, apart);
    corpus.#keep(terms, postings);
    return corpus;
  }

  /** Documents of entries that are in no segment. */
  get waiting(): readonly Document[] {
    return this.#waiting.map(({ document }) => document);
  }

  /** Reads the postings of terms, each once. */
  async load(terms: readonly string[]): Promise<void> {
    const missing = terms.filter((term) => !this.#postings.has(term));
    this.#keep(missing, await readPostings(this.#database, missing));
  }

  #keep(terms: readonly string[], postings: StoredPostings[]): void {
    for (const term of terms) this.#postings.set(term, new Map());
    for (const { term, segment, data } of postings) this.#postings.get(term)?.set(segment, data);
  }

  /** How many documents have the term, which must be loaded. */
  frequencyOf(term: string): number {
    const known = this.#frequencies.get(term);
    if (known !== undefined) return known;
    let count = 0;
    for (const { segment } of this.#segments) this.#visit(term, segment, () => (count += 1));
    for (const { document } of this.#waiting) if (document.weights.has(term)) count += 1;
    this.#frequencies.set(term, count);
    return count;
  }

  worthOf(term: string): number {
    return inverseFrequency(this.statistics.documents, this.frequencyOf(term));
  }

  /**
   * Every document that has one of the terms and meets the demands, with the sum of what its terms are worth. All terms
   * and demands must be loaded. In no order.
   */
  score(scoring: Scoring): Candidate[] {
    const candidates: Candidate[] = [];
    for (const { segment } of this.#segments) this.#scoreSegment(segment, scoring, candidates);
    for (const { entry, document } of this.#waiting) {
      const bm25 = this.#scoreDocument(document, scoring) ?? 0;
      if (bm25 > 0) candidates.push({ bm25, waiting: entry });
    }
    return candidates;
  }

  /** BM25 of one entry; 0 for one that has none of the terms, undefined for one that does not meet the demands. */
  scoreOne(entry: EntryWithHash, scoring: Scoring): number | undefined {
    return this.#scoreDocument(analysed(entry).document, scoring);
  }

  #scoreDocument(
    { weights, attributes, lengthCode }: Document,
    { terms, demands, exact }: Scoring,
  ): number | undefined {
    const has = (term: string): boolean => weights.has(term) || (term.startsWith('=') && attributes.includes(term));
    if (!demands.all.every(has) || demands.none.some(has)) return undefined;
    let bm25 = exact.worth * exact.terms.filter(has).length;
    for (const [term, worth] of terms) {
      const weight = weights.get(term);
      if (weight !== undefined) bm25 += worth * this.#weigh(weight, lengthCode);
    }
    return bm25;
  }

  #scoreSegment(segment: number, { terms, demands, exact }: Scoring, candidates: Candidate[]): void {
    const scores = new Float64Array(SEGMENT_DOCUMENTS_MAX);
    for (const [term, worth] of terms) {
      this.#visit(term, segment, (place, weight, lengthCode) => {
        scores[place] = (scores[place] ?? 0) + worth * this.#weigh(weight, lengthCode);
      });
    }
    for (const term of exact.terms) {
      this.#visit(term, segment, (place) => (scores[place] = (scores[place] ?? 0) + exact.worth));
    }
    for (const term of demands.none) this.#visit(term, segment, (place) => (scores[place] = 0));
    if (demands.all.length > 0) {
      const met = new Uint16Array(SEGMENT_DOCUMENTS_MAX);
      for (const term of demands.all) this.#visit(term, segment, (place) => (met[place] = (met[place] ?? 0) + 1));
      scores.forEach((_, place) => {
        if ((met[place] ?? 0) < demands.all.length) scores[place] = 0;
      });
    }
    scores.forEach((bm25, place) => {
      if (bm25 > 0) candidates.push({ bm25, doc: segment * SEGMENT_DOCUMENTS_MAX + place });
    });
  }

  /** The living documents of a segment that have the term. */
  #visit(term: string, segment: number, visit: (place: number, weight: number, lengthCode: number) => void): void {
    const data = this.#postings.get(term)?.get(segment);
    if (data === undefined) return;
    const dead = this.#dead.get(segment);
    if (dead === undefined) return visitPostings(data, visit);
    visitPostings(data, (place, weight, lengthCode) => {
      if (!dead.has(place)) visit(place, weight, lengthCode);
    });
  }
}
