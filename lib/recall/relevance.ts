/**
 * Whether an entry is an answer at all, from how well its words match. Pure. Three things tell: which share of the greatest
 * possible score it has, how rare what matches is, and how many words match; none of them does alone. The figures behind
 * each constant are in docs/RECALL.md.
 */
import type { QueryWord } from './query.ts';

/** An entry below it is no answer. */
export const RELEVANT_MIN = 0.22;

/** So many matching words are believed by two thirds. */
const EVIDENCE_WORDS = 3;
/** A question of so few words that are all there is believed by the fourth root of that. */
const SHORT_QUESTION_WORDS = 3;
const SHORT_QUESTION_POWER = 0.25;
/** What has all words of a question counts for so rare at least: in a project about payments all entries speak of them. */
const RARITY_OF_ALL_MIN = 0.3;

/** `STA-412`, `9fceb02a`, `v1.2.3`, `word17`: letters and digits, and long enough to be no `S3`. */
const IDENTIFIER = /^(?=.*\p{L})(?=.*\p{N}).{5,}$/u;

/** How many words of a question an entry has. A name counts as its parts: `pool-size-limit` is a question of three words. */
export interface Coverage {
  asked: number;
  matched: number;
  /** It has an identifier of the question, which hardly any other entry has: that is what was asked for. */
  isIdentified: boolean;
}

/**
 * @param standIns terms that count as the word, by word
 * @param has whether the entry has a term
 * @param isRare whether few entries have it
 */
export function coverageOf(
  words: readonly QueryWord[],
  standIns: ReadonlyMap<string, readonly string[]>,
  has: (term: string) => boolean,
  isRare: (term: string) => boolean,
): Coverage {
  const coverage = { asked: 0, matched: 0, isIdentified: false };
  for (const { text, terms } of words) {
    const { whole, parts } = partsOf(terms);
    const partsThere = parts.filter(has).length;
    const isThere = whole !== undefined && has(whole);
    if (isThere && IDENTIFIER.test(whole) && isRare(whole)) coverage.isIdentified = true;
    // Who asks for a name that is there as a whole asked for one thing.
    const asked = isThere && words.length === 1 ? 1 : Math.max(1, parts.length);
    const isStoodIn = partsThere === 0 && (standIns.get(text) ?? []).some(has);
    coverage.asked += asked;
    coverage.matched += isThere ? asked : isStoodIn ? 1 : partsThere;
  }
  return coverage;
}

/** Of a name the whole comes first and is longer than each part; scripts without spaces have parts alone. */
function partsOf(terms: readonly string[]): { whole?: string; parts: readonly string[] } {
  const [first, ...rest] = terms;
  if (first === undefined || rest.some(({ length }) => length >= first.length)) return { parts: terms };
  return { whole: first, parts: rest };
}

/**
 * From 0 to 1.
 * @param score share of the greatest score that the question could reach
 * @param rarity worth of what matches, in words that a single entry has
 */
export function relevanceOf(score: number, rarity: number, { asked, matched, isIdentified }: Coverage): number {
  // Who asks for a single word wants what has it, and so does who names a thing by what it is called.
  if (asked <= 1 || isIdentified) return Math.sqrt(score);
  const hasAll = matched >= asked;
  const rare = Math.sqrt(Math.max(rarity, hasAll ? RARITY_OF_ALL_MIN : 0));
  const believed = 1 - Math.exp(-matched / EVIDENCE_WORDS);
  const isShortAndWhole = hasAll && asked <= SHORT_QUESTION_WORDS;
  return Math.min(1, score * rare * (isShortAndWhole ? believed ** SHORT_QUESTION_POWER : believed));
}
