/**
 * Packs entries into a budget of tokens: a line of each first, then what they say in full, then the ids of the rest.
 * Pure: the counter is a parameter, and the same entries give the same text.
 * Invariant: the text never has more tokens than the budget, whatever the entries are.
 */
import { sha256Hex } from '../protocol/hash.ts';
import { type ContextCandidate, type ContextItem, type ContextWriter, WRITERS } from './context-formats.ts';
import { idCharacters } from '../core/short-ids.ts';
import type { ContextFormat } from '../core/vocabulary.ts';
import type { CountTokens } from './tokens.ts';

export interface PackedContext {
  text: string;
  tokens: number;
  /** In the order of the text. */
  entries: { candidate: ContextCandidate; detail: 'full' | 'line' | 'id' }[];
  omitted: number;
}

/** What lines may take before details begin: a share of the budget. */
const LINES_SHARE = 0.5;
/** What is kept for the ids of those that have no line. */
const IDS_SHARE = 0.1;
/** Details that find no room in a row; after them none is tried. */
const MISFITS_MAX = 6;
/** More are never named: who is shown forty ids reads none. */
const IDS_MAX = 24;

export interface Packing {
  budget: number;
  format: ContextFormat;
  nowMs: number;
  count: CountTokens;
  /** Ids that those of the context must not be mistaken for. */
  otherIds?: readonly string[];
}

/** `candidates`: what matters most first. */
export function packContext(
  candidates: readonly ContextCandidate[],
  { budget, format, nowMs, count, otherIds = [] }: Packing,
): PackedContext {
  const distinct = withoutRepetition(candidates);
  if (distinct.length === 0) return { text: '', tokens: 0, entries: [], omitted: 0 };
  const characters = idCharacters([...distinct.map(({ entry }) => entry.entryId), ...otherIds]);
  const items = distinct.map((candidate): ContextItem => ({
    ...candidate,
    shortId: candidate.entry.entryId.slice(0, characters),
  }));
  const draft = new Draft(WRITERS[format](fenceOf(items), nowMs), items, count);
  draft.addLines(budget * LINES_SHARE);
  draft.addDetails(budget * (1 - IDS_SHARE));
  draft.addLines(budget * (1 - IDS_SHARE));
  draft.addIds(budget);
  draft.addDetails(budget);
  return draft.finish(budget);
}

/** Says nothing that another one says: of the same words the first counts. */
function withoutRepetition(candidates: readonly ContextCandidate[]): ContextCandidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ entry }) => {
    const words =
      `${entry.title} ${entry.conclusion}`
        .normalize('NFKC')
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu) ?? [];
    const keys = [entry.entryId, words.length === 0 ? entry.entryId : words.join(' ')];
    if (keys.some((key) => seen.has(key))) return false;
    for (const key of keys) seen.add(key);
    return true;
  });
}

/** Nobody who writes an entry can know it: it depends on all that is shown, that entry included. */
function fenceOf(items: readonly ContextItem[]): string {
  return sha256Hex(JSON.stringify(items.map(({ entry }) => entry))).slice(0, 10);
}

interface Block {
  text: string;
  tokens: number;
}

/** A context that is being packed; its parts begin lines of their own, so that their tokens add up. */
class Draft {
  readonly #writer: ContextWriter;
  readonly #items: readonly ContextItem[];
  readonly #count: CountTokens;
  readonly #detail = new Map<ContextItem, 'full' | 'line'>();
  readonly #sections = new Set<string>();
  readonly #blocks = new Map<ContextItem, Partial<Record<'full' | 'line', Block>>>();
  #ids: ContextItem[] = [];
  #tokens: number;

  constructor(writer: ContextWriter, items: readonly ContextItem[], count: CountTokens) {
    this.#writer = writer;
    this.#items = items;
    this.#count = count;
    this.#tokens = count(writer.head) + count(writer.tail) + count(writer.rest([], items.length));
  }

  /** Up to the first that has no room: what comes after it matters less. */
  addLines(budget: number): void {
    for (const item of this.#items) {
      if (this.#detail.has(item)) continue;
      const heading = this.#sections.has(item.section) ? 0 : this.#count(this.#writer.heading(item.section));
      const tokens = this.#tokens + heading + this.#block(item, 'line').tokens;
      if (tokens > budget) return;
      this.#sections.add(item.section);
      this.#detail.set(item, 'line');
      this.#tokens = tokens;
    }
  }

  addDetails(budget: number): void {
    let misfits = 0;
    for (const [item, detail] of this.#detail) {
      if (detail === 'full') continue;
      const more = this.#block(item, 'full').tokens - this.#block(item, 'line').tokens;
      if (this.#tokens + more <= budget) {
        this.#detail.set(item, 'full');
        this.#tokens += more;
        misfits = 0;
      } else if ((misfits += 1) >= MISFITS_MAX) return;
    }
  }

  addIds(budget: number): void {
    const rest = this.#items.filter((item) => !this.#detail.has(item));
    const without = this.#count(this.#writer.rest([], rest.length));
    for (let count = Math.min(IDS_MAX, rest.length); count > 0; count -= 1) {
      const more = this.#count(this.#writer.rest(rest.slice(0, count), rest.length)) - without;
      if (this.#tokens + more > budget) continue;
      this.#ids = rest.slice(0, count);
      return;
    }
  }

  /** Counts the whole; where the sum of its parts was too small, the last parts go again. */
  finish(budget: number): PackedContext {
    for (;;) {
      const text = this.#text();
      const tokens = this.#count(text);
      if (tokens <= budget) return { text, tokens, entries: this.#entries(), omitted: this.#omitted() };
      if (this.#ids.length > 0) this.#ids.pop();
      else if (this.#detail.size > 0) this.#takeBack();
      else return { text: '', tokens: 0, entries: [], omitted: this.#items.length };
    }
  }

  /** Each is written and counted once, however often it is weighed. */
  #block(item: ContextItem, detail: 'full' | 'line'): Block {
    const known = this.#blocks.get(item)?.[detail];
    if (known !== undefined) return known;
    const text = this.#writer.item(item, detail);
    const block = { text, tokens: this.#count(text) };
    this.#blocks.set(item, { ...this.#blocks.get(item), [detail]: block });
    return block;
  }

  #takeBack(): void {
    const [item, detail] = [...this.#detail].findLast(([, each]) => each === 'full') ?? [...this.#detail].at(-1) ?? [];
    if (item === undefined) return;
    if (detail === 'full') this.#detail.set(item, 'line');
    else this.#detail.delete(item);
  }

  #shown(): [section: string, items: ContextItem[]][] {
    const bySection = new Map<string, ContextItem[]>();
    for (const item of this.#items) {
      if (this.#detail.has(item)) bySection.set(item.section, [...(bySection.get(item.section) ?? []), item]);
    }
    return [...bySection];
  }

  #text(): string {
    const { head, tail, heading, rest, separator } = this.#writer;
    const sections = this.#shown().map(
      ([section, items]) =>
        heading(section) +
        items.map((item) => this.#block(item, this.#detail.get(item) ?? 'line').text).join(separator),
    );
    const left = this.#items.length - this.#detail.size;
    return head + sections.join(separator) + rest(this.#ids, left) + tail;
  }

  #entries(): PackedContext['entries'] {
    const shown = this.#shown().flatMap(([, items]) => items);
    return [
      ...shown.map((candidate) => ({ candidate, detail: this.#detail.get(candidate) ?? ('line' as const) })),
      ...this.#ids.map((candidate) => ({ candidate, detail: 'id' as const })),
    ];
  }

  #omitted(): number {
    return this.#items.length - this.#detail.size - this.#ids.length;
  }
}
