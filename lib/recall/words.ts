/**
 * Text into terms, the same for entries and for queries. Owns what counts as a word: Unicode words, stemmed as English
 * (Porter); names of code whole and in parts (camelCase, snake_case, hyphens, dots, paths); scripts without spaces by
 * bigrams; commit hashes also by their abbreviation. Pure, and linear in the length of the text.
 */
import { stemmer } from 'stemmer';

/** Longer ones are cut: nobody types them, and a term is a key of the index. In UTF-16 code units. */
export const TERM_CHARACTERS_MAX = 64;
/** Of a name. A run of ten thousand hyphens is no name. */
const PARTS_MAX = 32;
/** How git abbreviates a commit. */
const HASH_ABBREVIATION = 7;

const STOP_WORDS = new Set(
  `a about above after again all also am an and any are as at be because been before being below between both but by can
  could did do does doing down during each else few for from further had has have having he her here hers him his how i if
  in into is it its itself just me more most my no nor not of off on once only or other our ours out over own same she
  should so some such than that the their theirs them then there these they this those through to too under until up us
  very was we were what when where which while who whom why will with would you your yours
  don doesn didn isn aren wasn weren won wouldn couldn shouldn hasn haven hadn ll ve re`.split(/\s+/u),
);

/** Words, joined by what joins the parts of a name, a path, a version or an issue key. */
const RUN = /[\p{L}\p{N}\p{M}_]+(?:['’.\-/\\:#@]+[\p{L}\p{N}\p{M}_]+)*(?:\+\+|#)?/gu;
const ASCII_RUN = /\w+(?:['.\-/\\:#@]+\w+)*(?:\+\+|#)?/g;
const SYMBOLIC = /^\p{L}(?:\+\+|#)$/u;
const SEGMENTS = /[/\\:#@]+/u;
const POSSESSIVE = /['’]s?$|['’](?=\p{L})/gu;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const BY_SCRIPT =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc]+|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc]+/gu;
const HUMPS = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
const COMMIT = /^(?=[0-9a-f]*[0-9])[0-9a-f]{7,64}$/;
const ACCENTS = /[\u0300-\u036f]/gu;
const IS_PLAIN = /^[a-z]+$/;

/**
 * The terms of `text` in order; the terms of one place (a name, and then each of its parts) follow each other. The same
 * term comes as often as the text has it.
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  for (const run of runsOf(text)) {
    for (const term of termsOfRun(run)) terms.push(term);
  }
  return terms;
}

/** The same, word by word, as somebody reads them; words that are too common to count are left out. */
export function wordsOf(text: string): { text: string; terms: readonly string[] }[] {
  const words: { text: string; terms: readonly string[] }[] = [];
  for (const run of runsOf(text)) {
    const segments = SYMBOLIC.test(run) ? [run] : run.split(SEGMENTS);
    for (const segment of segments) {
      const terms = termsOfRun(segment);
      if (terms.length > 0) words.push({ text: segment, terms });
    }
  }
  return words;
}

/** Whether it is in a script that puts no spaces between words. */
export function isUnspaced(text: string): boolean {
  return UNSPACED.test(text);
}

function runsOf(text: string): readonly string[] {
  const isAscii = !/[^\0-\x7f]/.test(text);
  return (isAscii ? text.match(ASCII_RUN) : normalize(text).match(RUN)) ?? [];
}

function normalize(text: string): string {
  return text.toWellFormed().normalize('NFKD').replace(ACCENTS, '').normalize('NFC');
}

/** Texts repeat their words: four of five need not be taken apart again. */
const KNOWN_RUNS_MAX = 30_000;
const KNOWN_RUN_CHARACTERS_MAX = 48;
const knownRuns = new Map<string, readonly string[]>();

function termsOfRun(run: string): readonly string[] {
  const known = knownRuns.get(run);
  if (known !== undefined) return known;
  const terms = takeApart(run);
  if (run.length <= KNOWN_RUN_CHARACTERS_MAX) {
    if (knownRuns.size >= KNOWN_RUNS_MAX) knownRuns.clear();
    knownRuns.set(run, terms);
  }
  return terms;
}

function takeApart(run: string): string[] {
  const terms: string[] = [];
  for (const segment of run.split(SEGMENTS)) {
    if (segment !== '') addSegment(terms, segment.replace(POSSESSIVE, ''));
  }
  // C# and C++ are names; the rest of a # or + is punctuation.
  if (SYMBOLIC.test(run)) terms.push(run.toLowerCase());
  return terms;
}

/** A word, or a name such as `getUserName`, `get-user-name`, `recall.test.ts` or `STA-412`. */
function addSegment(terms: string[], segment: string): void {
  if (UNSPACED.test(segment)) {
    for (const [part] of segment.matchAll(BY_SCRIPT)) {
      if (UNSPACED.test(part)) addBigrams(terms, part);
      else addName(terms, part);
    }
    return;
  }
  addName(terms, segment);
}

function addName(terms: string[], name: string): void {
  const pieces = name.split(/\.+/u).filter((piece) => piece !== '');
  if (pieces.length < 2) return addPiece(terms, pieces[0] ?? '');
  // Dots are kept: 1.2 is not 12.
  terms.push(cut(pieces.join('.').toLowerCase()));
  for (const piece of pieces.slice(0, PARTS_MAX)) if (piece.length > 1) addPiece(terms, piece);
}

function addPiece(terms: string[], piece: string): void {
  const parts = piece.split(/[_\-+]+/u).flatMap((part) => part.split(HUMPS));
  const words = parts.filter((part) => part !== '').slice(0, PARTS_MAX);
  const [first] = words;
  if (first === undefined) return;
  if (words.length === 1) return addWord(terms, first.toLowerCase());
  // However its parts are joined, it is the same name.
  addWord(terms, piece.replace(/[_\-+]+/gu, '').toLowerCase());
  for (const word of words) if (word.length > 1) addWord(terms, word.toLowerCase());
}

function addWord(terms: string[], word: string): void {
  if (STOP_WORDS.has(word)) return;
  if (COMMIT.test(word)) {
    terms.push(cut(word));
    if (word.length > HASH_ABBREVIATION) terms.push(word.slice(0, HASH_ABBREVIATION));
    return;
  }
  terms.push(IS_PLAIN.test(word) ? stemmer(cut(word)) : cut(word));
}

function addBigrams(terms: string[], run: string): void {
  const characters = [...run.toLowerCase()];
  if (characters.length === 1) terms.push(run);
  for (let index = 0; index + 1 < characters.length; index += 1) {
    terms.push(`${characters[index]}${characters[index + 1]}`);
  }
}

function cut(term: string): string {
  return term.length <= TERM_CHARACTERS_MAX ? term : term.slice(0, TERM_CHARACTERS_MAX).toWellFormed();
}
