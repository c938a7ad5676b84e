/**
 * What somebody typed, taken apart: words to rank by, "phrases", -words to leave out, tag:x. Any text is a query; what is
 * not understood is words. Pure.
 */
import { attribute } from './document.ts';
import { wordsOf } from './words.ts';

/** Distinct terms that are looked up; more add time and little else. The first of a long text count. */
export const QUERY_TERMS_MAX = 128;
/** The longest query; longer text is refused before it comes here. In UTF-16 code units. */
const PHRASES_MAX = 8;

/** A word as typed, and its terms: of a name, the whole and then its parts. */
export interface QueryWord {
  text: string;
  terms: readonly string[];
}

export interface Query {
  /** Everything typed, to be held against ids, tags and refs. */
  text: string;
  /** Distinct, in order; those of phrases too. */
  words: QueryWord[];
  /** The terms of all words in the order of the text, for what stands near what. */
  sequence: string[];
  /** Folded as `fold` does. */
  phrases: string[];
  /** Terms that an entry must not have. */
  excluded: string[];
  /** Attributes that an entry must have. */
  required: string[];
}

const PART =
  /(?<sign>(?<=^|\s)-)?(?:tag:(?<tag>"[^"]+"|[^\s"]+)|"(?<phrase>[^"]+)")|(?<=^|\s)-(?<excluded>[\p{L}\p{N}_]\S*)/giu;

export function parseQuery(text: string): Query {
  const query: Query = { text: text.trim(), words: [], sequence: [], phrases: [], excluded: [], required: [] };
  let plain = '';
  let from = 0;
  for (const match of text.matchAll(PART)) {
    const { sign, tag, phrase, excluded } = match.groups ?? {};
    plain += `${text.slice(from, match.index)} `;
    from = match.index + match[0].length;
    if (tag !== undefined) {
      const label = attribute('tag', tag.replaceAll('"', ''));
      (sign === undefined ? query.required : query.excluded).push(label);
    } else if (excluded !== undefined || sign !== undefined) {
      query.excluded.push(...wordsOf(excluded ?? phrase ?? '').flatMap(({ terms }) => terms.slice(0, 1)));
    } else if (phrase !== undefined) {
      plain += `${phrase} `;
      if (query.phrases.length < PHRASES_MAX) query.phrases.push(fold(phrase));
    }
  }
  plain += text.slice(from);
  addWords(query, plain);
  return query;
}

function addWords(query: Query, plain: string): void {
  const seen = new Set<string>();
  for (const word of wordsOf(plain)) {
    if (query.sequence.length + word.terms.length > QUERY_TERMS_MAX) break;
    query.sequence.push(...word.terms);
    const key = word.terms.join(' ');
    if (!seen.has(key)) query.words.push(word);
    seen.add(key);
  }
}

/** Case, width and white space do not tell phrases apart. */
export function fold(text: string): string {
  return text.toWellFormed().normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim();
}
