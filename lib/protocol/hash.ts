/** The content hash of an entry: the half of its stamp that breaks ties, and the name its versions go by. */
import { createHash } from 'node:crypto';
import { canonicalContent } from '../core/canonical.ts';
import type { EntryContent } from '../core/entry.ts';

/** Lower-case hex SHA-256 of the UTF-8 bytes of `content`'s canonical JSON, 64 characters. */
export function hashContent(content: EntryContent): string {
  return sha256Hex(canonicalContent(content));
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
