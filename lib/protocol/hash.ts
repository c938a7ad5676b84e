/** The content hash of an entry: the half of its stamp that breaks ties, and the name its versions go by. */
import { hash } from 'node:crypto';
import { canonicalContent } from '../core/canonical.ts';
import type { EntryContent } from '../core/entry.ts';

/** Lower-case hex SHA-256 of the UTF-8 bytes of `content`'s canonical JSON, 64 characters. */
export function hashContent(content: EntryContent): string {
  return sha256Hex(canonicalContent(content));
}

/** An entry's content as it is hashed and stored, and its hash. */
export interface HashedContent {
  content: string;
  hash: string;
}

/** Of an entry, or of its content alone: what its hash covers is taken, and nothing else. */
export function toHashedContent(entry: EntryContent): HashedContent {
  const content = canonicalContent(entry);
  return { content, hash: sha256Hex(content) };
}

export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex');
}
