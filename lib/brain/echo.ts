/**
 * Recognises what was handed out when it is recorded again: an agent that writes down what it has just been told makes one
 * finding look like two. Keeps fingerprints of the entries that were handed out last, in memory alone: after a restart an
 * echo is only suggested as similar.
 */
import type { Entry } from '../core/entry.ts';

/** Entries of which fingerprints are kept. */
const ENTRIES_MAX = 512;
/** Of one answer: who is given more does not read them all. */
const NOTED_MAX = 64;
/** Words in a row that make a fingerprint, and how many fingerprints of one entry are kept. */
const RUN_WORDS = 5;
const RUNS_MAX = 2_000;
/** A text of fewer runs says too little to be told apart from another. */
const RUNS_MIN = 8;
/** The share of a text's runs that one entry must have for the text to be its echo. */
const ECHO_SHARE = 0.8;

type Texts = Pick<Entry, 'title' | 'summary' | 'conclusion'>;

interface Prints {
  workspaceId: string;
  updatedAt: number;
  runs: ReadonlySet<string>;
  /** Words with a digit in them. */
  figures: ReadonlySet<string>;
}

export class HandedOut {
  /** By entry, the one that was handed out last at the end. */
  readonly #prints = new Map<string, Prints>();

  note(entries: readonly Entry[]): void {
    for (const entry of entries.slice(0, NOTED_MAX)) {
      const { entryId, workspaceId, updatedAt } = entry;
      const known = this.#prints.get(entryId);
      this.#prints.delete(entryId);
      const prints = known?.updatedAt === updatedAt ? known : { workspaceId, updatedAt, ...printsOf(entry) };
      if (prints.runs.size >= RUNS_MIN) this.#prints.set(entryId, prints);
    }
    for (const entryId of this.#prints.keys()) {
      if (this.#prints.size <= ENTRIES_MAX) break;
      this.#prints.delete(entryId);
    }
  }

  /** The entry whose echo the texts are. A figure that it does not have is news, whatever the other words are. */
  findSource(workspaceId: string, texts: Texts): string | undefined {
    const { runs, figures } = printsOf(texts);
    if (runs.size < RUNS_MIN) return undefined;
    for (const [entryId, prints] of [...this.#prints].toReversed()) {
      if (prints.workspaceId !== workspaceId || ![...figures].every((figure) => prints.figures.has(figure))) continue;
      let shared = 0;
      for (const run of runs) if (prints.runs.has(run)) shared += 1;
      if (shared >= ECHO_SHARE * runs.size) return entryId;
    }
    return undefined;
  }
}

function printsOf({ title, summary, conclusion }: Texts): { runs: Set<string>; figures: Set<string> } {
  const runs = new Set<string>();
  const figures = new Set<string>();
  // Each text by itself: an agent may give them in another order.
  for (const text of [title, conclusion, summary]) {
    const words =
      text
        .normalize('NFKC')
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu) ?? [];
    for (const word of words) if (/\p{N}/u.test(word)) figures.add(word);
    for (let start = 0; start + RUN_WORDS <= words.length && runs.size < RUNS_MAX; start += 1) {
      runs.add(words.slice(start, start + RUN_WORDS).join(' '));
    }
  }
  return { runs, figures };
}
