/** The acknowledgement of a record: printed only once the entry is on disk. */
import type { SimilarEntry } from '../../lib/brain/recall-contract.ts';
import type { Written } from '../../lib/brain/contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { hasPrivate } from '../../lib/core/private.ts';
import { escapeLine } from './escape.ts';

export function recordedLine(entry: Entry): string {
  return `recorded ${entry.entryId}  ${escapeLine(entry.title)}\n`;
}

/** What became of the texts that were given: what was masked, and what stays here. */
export function disclosureLines(entry: Written): string {
  const lines = [];
  const kinds = entry.masked ?? [];
  if (kinds.length > 0) {
    const what = kinds.length === 1 ? `a secret (${kinds.join()})` : `secrets (${kinds.join(', ')})`;
    lines.push(`masked ${what} before it was stored; --allow-secret keeps it, on this machine only\n`);
  }
  if (hasPrivate(entry)) lines.push('has <private> text: this entry stays on this machine\n');
  return lines.join('');
}

/** Says what it looks like and what could be done; nothing is merged by itself. */
export function similarLine({ entryId, title, overlap }: SimilarEntry, recorded: Entry): string {
  const percent = Math.round(100 * overlap);
  return `looks like ${entryId}  ${escapeLine(title)} (${percent} % the same words).\nIf it replaces that: sm brain supersede ${entryId} ${recorded.entryId}\n`;
}
