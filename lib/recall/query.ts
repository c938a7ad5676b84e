/**
 * What somebody typed, taken apart: words to rank by, "phrases", -words to leave out, tag:x. Any text is a query; what is
 * not understood is words. In a sentence quotes quote, and a dash is a dash. Pure.
 */
import { attribute } from './document.ts';
import { fold } from './phrases.ts';
import { isUnspaced, wordsOf } from './words.ts';

/** Distinct terms that are looked up; more add time and little else. The first of a long text count. */
export const QUERY_TERMS_MAX = 128;
/** Of those that are asked for, and of those to leave out; of more the words count, or nothing. */
const PHRASES_MAX = 8;
/** More words beside what is quoted or has a dash are a sentence: who searches with operators types fewer. */
const TYPED_WORDS_MAX = 5;

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
  /** Terms and attributes that an entry must not have. */
  excluded: string[];
  /** What must not stand in an entry, folded: of more than one word. */
  excludedPhrases: string[];
  /** Attributes that an entry must have. */
  required: string[];
  /** What was said where no word of it tells anything; otherwise empty. */
  common: string;
}

const PART =
  /(?<sign>(?<=^|\s)-)?(?:tag:(?<tag>"[^"]+"|[^\s"]+)|"(?<phrase>[^"]+)")|(?<=^|\s)-(?<excluded>[\p{L}\p{N}_](?:\S*[\p{L}\p{N}_+#])?)/giu;

/** What a question begins with. */
const ASKS =
  /^\W*(?:what|why|how|when|where|which|who|should|shall|can|could|must|did|do|does|is|are|was|were|have|has)\b/iu;
/** "What did we decide about …", "should we use …": of what is asked they say nothing, and few entries have them. */
const FRAMES = new Set(
  `agree agreed choose chose chosen decide decided decision ever happen happened happens know known learn learned learnt
  think thought tried try trying use used using`.split(/\s+/u),
);

const HAS_WORD = /[\p{L}\p{N}]/u;

interface Part {
  role: 'words' | 'phrase' | 'tag';
  text: string;
  isExcluded: boolean;
}

export function parseQuery(text: string): Query {
  const query: Query = {
    text: text.trim(),
    words: [],
    sequence: [],
    phrases: [],
    excluded: [],
    excludedPhrases: [],
    required: [],
    common: '',
  };
  const parts = partsOf(text);
  const saying = parts.map(({ role, text: said, isExcluded }) =>
    role === 'words' && !isExcluded ? wordsOf(said).length : 0,
  );
  const isSentence = saying.reduce((sum, words) => sum + words, 0) > TYPED_WORDS_MAX;
  const lastSaying = saying.findLastIndex((words) => words > 0);
  let plain = '';
  for (const [index, { role, text: said, isExcluded }] of parts.entries()) {
    if (role === 'tag') {
      (isExcluded ? query.excluded : query.required).push(attribute('tag', said));
    } else if (isExcluded && (!isSentence || index > lastSaying)) {
      // Also of a sentence, since it is said after it.
      leaveOut(query, said);
    } else {
      plain += `${said} `;
      const isPhrase = role === 'phrase' && !isSentence && query.phrases.length < PHRASES_MAX;
      if (isPhrase) query.phrases.push(fold(said));
    }
  }
  addWords(query, plain);
  if (query.words.length === 0 && HAS_WORD.test(plain)) query.common = plain;
  return query;
}

function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(PART)) {
    const { sign, tag, phrase, excluded } = match.groups ?? {};
    parts.push({ role: 'words', text: text.slice(from, match.index), isExcluded: false });
    from = match.index + match[0].length;
    const isExcluded = sign !== undefined || excluded !== undefined;
    if (tag !== undefined) parts.push({ role: 'tag', text: tag.replaceAll('"', ''), isExcluded });
    else if (phrase !== undefined) parts.push({ role: 'phrase', text: phrase, isExcluded });
    else parts.push({ role: 'words', text: excluded ?? '', isExcluded });
  }
  parts.push({ role: 'words', text: text.slice(from), isExcluded: false });
  return parts;
}

/** A word in any of its forms; of several, such as `-"read only"` or `-lib/store`, all as they stand and none by itself. */
function leaveOut(query: Query, said: string): void {
  const words = wordsOf(said);
  const isOneWord = words.length < 2 && !/\s/u.test(said.trim()) && !isUnspaced(said);
  if (isOneWord) query.excluded.push(...words.flatMap(({ terms }) => terms.slice(0, 1)));
  else if (HAS_WORD.test(said) && query.excludedPhrases.length < PHRASES_MAX) query.excludedPhrases.push(fold(said));
}

function addWords(query: Query, plain: string): void {
  const seen = new Set<string>();
  for (const word of askedWords(plain)) {
    if (query.sequence.length + word.terms.length > QUERY_TERMS_MAX) break;
    query.sequence.push(...word.terms);
    const key = word.terms.join(' ');
    if (!seen.has(key)) query.words.push(word);
    seen.add(key);
  }
}

/** Without what only frames a question, where more is said. */
function askedWords(plain: string): QueryWord[] {
  const words = wordsOf(plain);
  if (!ASKS.test(plain)) return words;
  const asked = words.filter(({ text }) => !FRAMES.has(text.toLowerCase()));
  return asked.length === 0 ? words : asked;
}
