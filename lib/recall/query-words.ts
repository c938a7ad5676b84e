/** Turns what somebody typed into the words to look for, in the forms in which the index has them. Pure. */

/** More words than this add nothing but time; the rarest ones of a long text are not ours to guess, so the first count. */
export const QUERY_WORDS_MAX = 32;

/** The index cuts longer runs here (brain_words in store/migrations); a parser's time grows with the square of a run. */
const WORD_CHARACTERS_MAX = 200;

const SEPARATORS = /[^\p{L}\p{M}\p{N}_.\-/#@:+]+/u;

/** Distinct words of `text` in order, at most QUERY_WORDS_MAX, case kept; compound names stay whole. */
export function queryWords(text: string): string[] {
  const words = new Map<string, string>();
  for (const raw of text.split(SEPARATORS)) {
    const word = raw
      .replace(/^[.\-/:]+|[.\-/:]+$/g, '')
      .slice(0, WORD_CHARACTERS_MAX)
      .toWellFormed();
    if (/[\p{L}\p{N}]/u.test(word) && !words.has(word.toLowerCase())) words.set(word.toLowerCase(), word);
    if (words.size === QUERY_WORDS_MAX) break;
  }
  return [...words.values()];
}

/** The ways in which the index may have `word`: as it is and, for a compound name, all of its parts. */
export function wordForms(word: string): string[] {
  const whole = word.replaceAll('_', ' ');
  const parts = whole.replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2').replace(/[./\\:#@-]+/g, ' ');
  return whole === parts ? [whole] : [whole, parts];
}
