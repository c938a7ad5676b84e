/** The acknowledgement of a record: printed only once the entry is on disk. */
import type { Entry } from '../../lib/core/entry.ts';
import { escapeLine } from './escape.ts';

export function recordedLine(entry: Entry): string {
  return `recorded ${entry.entryId}  ${escapeLine(entry.title)}\n`;
}
