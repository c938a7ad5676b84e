/**
 * Entries that say nearly what another one says: to be suggested, never to be merged. Records that share seven of ten
 * words are often plainly distinct, so that only a reader can tell.
 */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import { analysed } from './analysed.ts';
import type { Document } from './document.ts';
import { recallEntries } from './recall.ts';
import { sha256Hex } from '../protocol/hash.ts';

/** Share of their terms, by weight, that both have. */
export const SIMILAR_MIN = 0.6;
/** How many candidates are compared, and how many are told of. */
const COMPARED_MAX = 20;
const SIMILAR_MAX = 3;
/** Text that candidates are looked for by. */
const TEXT_CHARACTERS_MAX = 1_000;
/** Of each text, its beginning is compared: twenty whole logs would take a second. */
const COMPARED_CHARACTERS_MAX = 8_000;

export interface SimilarEntry {
  entryId: string;
  title: string;
  /** Share of what both say, from 0 to 1. */
  overlap: number;
}

/** Other active entries of the same project that overlap with `entry`, the nearest first. */
export async function similarEntries(database: Database, entry: Entry, nowMs: number): Promise<SimilarEntry[]> {
  const { workspaceId, projectId } = entry;
  const text = `${entry.title}\n${entry.conclusion}\n${entry.summary}`.slice(0, TEXT_CHARACTERS_MAX);
  const candidates = await recallEntries(database, {
    scope: { workspaceId, projectId },
    filter: { statuses: ['active'] },
    // Nothing of it is meant as a phrase, an exclusion or a tag.
    text: text.replaceAll(/["\-:]/g, ' '),
    limit: COMPARED_MAX,
    nowMs,
    isLoose: true,
  });
  const own = documentFor(entry);
  return candidates
    .filter(({ entryId }) => entryId !== entry.entryId)
    .map((other) => ({ entryId: other.entryId, title: other.title, overlap: overlapOf(own, documentFor(other)) }))
    .filter(({ overlap }) => overlap >= SIMILAR_MIN)
    .toSorted((a, b) => b.overlap - a.overlap || (a.entryId < b.entryId ? -1 : 1))
    .slice(0, SIMILAR_MAX);
}

/** What the texts say; whom they are from and what they point to is not compared. */
function documentFor(entry: Entry): Document {
  const conclusion = entry.conclusion.slice(0, COMPARED_CHARACTERS_MAX);
  const summary = entry.summary.slice(0, COMPARED_CHARACTERS_MAX);
  const bare = { ...entry, conclusion, summary, tags: [], refs: [] };
  return analysed({ entry: bare, hash: `bare ${sha256Hex(`${entry.title}\0${conclusion}\0${summary}`)}` }).document;
}

/** The weighted Jaccard index: 1 where both have the same terms as often, 0 where they share none. */
export function overlapOf(a: Document, b: Document): number {
  let shared = 0;
  let all = 0;
  for (const [term, weight] of a.weights) {
    const other = b.weights.get(term) ?? 0;
    shared += Math.min(weight, other);
    all += Math.max(weight, other);
  }
  for (const [term, weight] of b.weights) if (!a.weights.has(term)) all += weight;
  return all === 0 ? 0 : shared / all;
}
