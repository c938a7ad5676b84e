/** The acknowledgement of a write: printed only once it is on disk. On a terminal a long title is cut, the id never. */
import type { SimilarEntry } from '../../lib/brain/recall-contract.ts';
import type { Written } from '../../lib/brain/contract.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { hasPrivate } from '../../lib/core/private.ts';
import { escapeLine } from './escape.ts';
import { truncate } from './layout.ts';
import type { View } from './view.ts';

/** Less of a title than this tells nothing, in columns. */
const TITLE_COLUMNS_MIN = 8;

/** @param remark what stands behind the title, with what parts it from that */
export function doneLine(
  view: Pick<View, 'width' | 'measure'>,
  done: string,
  entry: Pick<Entry, 'entryId' | 'title'>,
  remark = '',
): string {
  const head = `${done} ${entry.entryId}`;
  const room = view.width - view.measure(head) - view.measure(remark) - 2;
  const title = room < TITLE_COLUMNS_MIN ? '' : `  ${truncate(view, escapeLine(entry.title), room)}`;
  return `${head}${title}${remark}\n`;
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
