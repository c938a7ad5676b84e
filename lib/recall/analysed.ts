/** Entries that were taken apart lately, by their content hash: what is asked again is answered sooner. */
import type { EntryWithHash } from '../store/read.ts';
import { analyse } from './document.ts';

type Analysed = ReturnType<typeof analyse>;

/** Terms that are kept at most: some 8 bytes each. */
const TERMS_MAX = 1_000_000;

const known = new Map<string, Analysed>();
let termsKnown = 0;

export function analysed({ entry, hash }: EntryWithHash): Analysed {
  const before = known.get(hash);
  if (before !== undefined) {
    // The one used last is thrown away last.
    known.delete(hash);
    known.set(hash, before);
    return before;
  }
  const made = analyse(entry);
  known.set(hash, made);
  termsKnown += sizeOf(made);
  for (const [oldest, old] of known) {
    if (termsKnown <= TERMS_MAX || oldest === hash) break;
    known.delete(oldest);
    termsKnown -= sizeOf(old);
  }
  return made;
}

function sizeOf({ document, fields }: Analysed): number {
  return 4 * document.weights.size + fields.title.length + fields.conclusion.length + fields.summary.length;
}
