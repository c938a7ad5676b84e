/**
 * Takes secrets out of what is about to be stored, and tells which entries have some. Texts are scanned together, because
 * every scan has a cost of its own however little there is; where something is found, each text alone.
 */
import { mapTexts, type Texts, textsOf } from '../core/texts.ts';
import { loadScanner } from './load.ts';

/** What stands in the place of a secret. It is none itself. */
export const MASK = '[masked secret]';

/** Characters that are scanned at once: bounded, so that the process can do something else in between. */
const SCANNED_CHARACTERS = 64 * 1024;

export interface Masked<T> {
  fields: T;
  /** Kinds of the secrets that were masked, each once, in order. */
  kinds: string[];
}

/** Fields with their secrets masked; what is no text stays as it is, for the validator to refuse. */
export async function maskSecrets<T>(all: readonly T[]): Promise<Masked<T>[]> {
  const found = await withSecrets(all.map(presentTexts));
  return Promise.all(
    all.map((fields, index) => (found.has(index) ? maskFields(fields) : Promise.resolve({ fields, kinds: [] }))),
  );
}

async function maskFields<T>(fields: T): Promise<Masked<T>> {
  const texts = presentTexts(fields);
  const { findSecrets } = loadScanner();
  const kinds = new Set<string>();
  const masks = new Map<string, string>();
  for (const text of textsOf(texts)) {
    const found = await findSecrets(text);
    let masked = text;
    for (const { start, end } of found.toReversed()) masked = masked.slice(0, start) + MASK + masked.slice(end);
    for (const { kind } of found) kinds.add(kind);
    masks.set(text, masked);
  }
  const masked = mapTexts(texts, (text) => masks.get(text) ?? text);
  return { fields: { ...fields, ...masked }, kinds: [...kinds].toSorted() };
}

/** Which of the entries have a secret, by their places. */
export async function withSecrets(entries: readonly Partial<Texts>[]): Promise<Set<number>> {
  const { findSecrets } = loadScanner();
  const found = new Set<number>();
  const texts = entries.map((entry) => textsOf(entry).join('\n\n'));
  for (const lot of lots(texts)) {
    const together = lot.map((index) => texts[index]).join('\n\n');
    if ((await findSecrets(together)).length === 0) continue;
    for (const index of lot) if ((await findSecrets(texts[index] ?? '')).length > 0) found.add(index);
  }
  return found;
}

function* lots(texts: readonly string[]): Generator<number[]> {
  let lot: number[] = [];
  let characters = 0;
  for (const [index, text] of texts.entries()) {
    lot.push(index);
    characters += text.length;
    if (characters < SCANNED_CHARACTERS) continue;
    yield lot;
    lot = [];
    characters = 0;
  }
  if (lot.length > 0) yield lot;
}

/** Drafts come from anywhere: their types prove nothing yet. */
function presentTexts(fields: unknown): Partial<Texts> {
  if (typeof fields !== 'object' || fields === null) return {};
  const given = fields as Record<string, unknown>;
  const present: Partial<Texts> = {};
  for (const name of ['title', 'summary', 'conclusion'] as const) {
    const text = given[name];
    if (typeof text === 'string') present[name] = text;
  }
  for (const name of ['tags', 'refs'] as const) {
    const labels = given[name];
    if (Array.isArray(labels) && labels.every((label) => typeof label === 'string')) present[name] = labels;
  }
  return present;
}
