/** Turns what somebody typed into the words to look for. Pure. */

/** More words than this add nothing but time; the rarest ones of a long text are not ours to guess, so the first count. */
export const QUERY_WORDS_MAX = 32;

const SEPARATORS = /[^\p{L}\p{N}_.\-/#@:+]+/u;

/** Distinct words of `text` in order, at most QUERY_WORDS_MAX, case kept; compound names stay whole. */
export function queryWords(text: string): string[] {
  const words = new Map<string, string>();
  for (const raw of text.split(SEPARATORS)) {
    const word = raw.replace(/^[.\-/:]+|[.\-/:]+$/g, '');
    if (/[\p{L}\p{N}]/u.test(word) && !words.has(word.toLowerCase())) words.set(word.toLowerCase(), word);
    if (words.size === QUERY_WORDS_MAX) break;
  }
  return [...words.values()];
}
