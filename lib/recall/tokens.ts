/**
 * Counts tokens of o200k_base, the encoding of OpenAI's current models. Loads the tokenizer when first asked: some 0.3 s
 * and 65 MB, once in a process. Invariant: the time is linear in the text. Byte pair encoding is quadratic in a run of
 * letters (64 KiB of one letter take it 8 s), so long runs are counted in slices, which can only count too many.
 */
import { loadBundle } from '../store/assets.ts';
import type * as Tokenizer from './tokenizer.ts';

export type CountTokens = (text: string) => number;

/** Characters of a run that are counted together; words of any language are shorter. */
const RUN_CHARACTERS_MAX = 64;
const LONG_RUN = new RegExp(String.raw`\S{${RUN_CHARACTERS_MAX + 1},}|\s{${RUN_CHARACTERS_MAX + 1},}`, 'gu');
/** What is special to a model (`<|endoftext|>`) is text like any other to us. */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

let loaded: CountTokens | undefined;

export function loadTokenCounter(): CountTokens {
  loaded ??= inSlices((text) => tokenizer().countTokens(text, AS_TEXT));
  return loaded;
}

function tokenizer(): typeof Tokenizer {
  return loadBundle('tokenizer.cjs') as typeof Tokenizer;
}

/** A counter that is linear, from one that is not. Never less than the same counter says of the whole. */
export function inSlices(count: CountTokens): CountTokens {
  return (text) => {
    let tokens = 0;
    let from = 0;
    for (const { 0: run, index } of text.matchAll(LONG_RUN)) {
      tokens += count(text.slice(from, index));
      const characters = [...run];
      for (let start = 0; start < characters.length; start += RUN_CHARACTERS_MAX) {
        // One more for what the cut may have kept apart.
        tokens += count(characters.slice(start, start + RUN_CHARACTERS_MAX).join('')) + 1;
      }
      from = index + run.length;
    }
    return tokens + count(text.slice(from));
  };
}
