/**
 * Words that no entry has: what was perhaps meant. Looks at terms that begin with the word, and at terms that begin alike
 * and are a slip or two away. Only ever asked for words that are unknown, so that it costs nothing otherwise.
 */
import type { Database } from '../store/database.ts';
import { readTermsBetween } from './index-tables.ts';
import type { Corpus } from './retrieval.ts';

/** A term that stands for an unknown word, and how much it is worth of what the word itself would be. */
export interface Variant {
  term: string;
  share: number;
}

/** Unknown words of a query that are looked at, terms that are held against each, and variants that are taken of it. */
export const UNKNOWN_WORDS_MAX = 4;
const ROWS_MAX = 4_000;
const VARIANTS_MAX = 3;
const WORD_CHARACTERS_MIN = 4;
/** A word of so many letters may have two slips. */
const TWO_SLIPS_CHARACTERS_MIN = 8;
const SLIP_SHARE = 0.7;
const BEGINNING_SHARE = 0.8;

export async function variantsOf(database: Database, corpus: Corpus, word: string): Promise<Variant[]> {
  if (word.length < WORD_CHARACTERS_MIN) return [];
  const found = new Map<string, number>();
  for (const beginning of beginningsOf(word)) {
    const range = { first: beginning, end: `${beginning}\u{10ffff}`, limit: ROWS_MAX };
    for (const term of await readTermsBetween(database, range)) consider(term);
  }
  for (const { weights } of corpus.waiting) for (const term of weights.keys()) consider(term);
  await corpus.load([...found.keys()]);
  return [...found]
    .filter(([term]) => corpus.frequencyOf(term) > 0)
    .toSorted(([a, shareA], [b, shareB]) => shareB - shareA || (a < b ? -1 : 1))
    .slice(0, VARIANTS_MAX)
    .map(([term, share]) => ({ term, share }));

  function consider(term: string): void {
    const share = shareOf(word, term);
    if (share > 0) found.set(term, share);
  }
}

/** The first letters, as typed and with a slip in them. */
function beginningsOf(word: string): string[] {
  const [a = '', b = '', c = ''] = word;
  return [...new Set([`${a}${b}`, `${b}${a}`, `${a}${c}`])];
}

/** How far `term` can stand for `word`, from 0 to 1. */
export function shareOf(word: string, term: string): number {
  if (term.startsWith(word)) return BEGINNING_SHARE * (word.length / term.length) ** 0.25;
  const slipsMax = word.length >= TWO_SLIPS_CHARACTERS_MIN ? 2 : 1;
  if (Math.abs(word.length - term.length) > slipsMax) return 0;
  if (lettersApart(word, term) > 2 * slipsMax) return 0;
  const slips = distance(word, term);
  return slips <= slipsMax ? SLIP_SHARE / slips : 0;
}

/** Letters (without their number) that only one of the two has: a slip makes two at most, and this is quickly told. */
function lettersApart(a: string, b: string): number {
  let apart = lettersOf(a) ^ lettersOf(b);
  let count = 0;
  for (; apart !== 0; apart &= apart - 1) count += 1;
  return count;
}

/** A bit for each letter, as far as 32 bits tell them apart. */
function lettersOf(word: string): number {
  let bits = 0;
  for (let index = 0; index < word.length; index += 1) bits |= 1 << (word.charCodeAt(index) & 31);
  return bits;
}

/** Optimal string alignment: letters added, left out, changed, or two that changed places. Words are short. */
function distance(a: string, b: string): number {
  const width = b.length + 1;
  const cells = new Uint8Array((a.length + 1) * width);
  const at = (row: number, column: number): number => cells[row * width + column] ?? 0;
  for (let row = 0; row <= a.length; row += 1) {
    for (let column = 0; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1];
      let least = row === 0 ? column : column === 0 ? row : at(row - 1, column - 1) + (isSame ? 0 : 1);
      if (row > 0 && column > 0) least = Math.min(least, at(row - 1, column) + 1, at(row, column - 1) + 1);
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwapped) least = Math.min(least, at(row - 2, column - 2) + 1);
      cells[row * width + column] = least;
    }
  }
  return at(a.length, b.length);
}
