/**
 * What stands in an entry as it was typed: phrases that are asked for, and phrases to leave out. The index knows terms and
 * not what follows what, so that the entries' own texts decide. Pure.
 */
import type { Entry } from '../core/entry.ts';
import { subjectRefs } from '../core/provenance.ts';
import { isUnspaced, termsOf } from './words.ts';

/** Folded as `fold` does. */
export interface Phrases {
  /** All of them stand in an entry that is found. */
  wanted: readonly string[];
  /** None of them does. */
  excluded: readonly string[];
}

/** A longer rest of a word is no ending of it. In UTF-16 code units. */
const ENDING_CHARACTERS_MAX = 16;

const STARTS_IN_WORD = /^[\p{L}\p{N}]/u;
const ENDS_IN_WORD = /[\p{L}\p{N}]$/u;
const WORD_AFTER = /^[\p{L}\p{N}]+/u;
const LAST_WORD = /[\p{L}\p{N}]+$/u;

/** Case, width and white space do not tell phrases apart. */
export function fold(text: string): string {
  return text.toWellFormed().normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim();
}

export function fitsPhrases(entry: Entry, { wanted, excluded }: Phrases): boolean {
  if (wanted.length === 0 && excluded.length === 0) return true;
  const texts = [entry.title, entry.conclusion, entry.summary, ...entry.tags, ...subjectRefs(entry.refs)].map(fold);
  return (
    wanted.every((phrase) => texts.some((text) => text.includes(phrase))) &&
    !excluded.some((phrase) => texts.some((text) => saysInWords(text, phrase)))
  );
}

/** From a word's beginning to a word's end; the last one may have another ending ("connection pools"). */
function saysInWords(text: string, phrase: string): boolean {
  for (let at = text.indexOf(phrase); at !== -1; at = text.indexOf(phrase, at + 1)) {
    const before = text.slice(Math.max(0, at - 2), at);
    const after = text.slice(at + phrase.length, at + phrase.length + ENDING_CHARACTERS_MAX);
    if (beginsWord(phrase, before) && endsWord(phrase, WORD_AFTER.exec(after)?.[0])) return true;
  }
  return false;
}

/** Where words are not parted by spaces any character may begin one. */
function beginsWord(phrase: string, before: string): boolean {
  return !STARTS_IN_WORD.test(phrase) || !ENDS_IN_WORD.test(before) || isUnspaced(phrase);
}

function endsWord(phrase: string, more: string | undefined): boolean {
  const last = LAST_WORD.exec(phrase)?.[0];
  return more === undefined || last === undefined || termsOf(last)[0] === termsOf(last + more)[0];
}
