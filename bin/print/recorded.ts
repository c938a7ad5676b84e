/** The acknowledgement of a record: printed only once the entry is on disk. */
import type { SimilarEntry } from '../../lib/brain/recall-contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { escapeLine } from './escape.ts';

export function recordedLine(entry: Entry): string {
  return `recorded ${entry.entryId}  ${escapeLine(entry.title)}\n`;
}

/** Says what it looks like and what could be done; nothing is merged by itself. */
export function similarLine({ entryId, title, overlap }: SimilarEntry, recorded: Entry): string {
  const percent = Math.round(100 * overlap);
  return `looks like ${entryId}  ${escapeLine(title)} (${percent} % the same words).\nIf it replaces that: sm brain supersede ${entryId} ${recorded.entryId}\n`;
}
