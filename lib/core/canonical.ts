/**
 * The canonical JSON of an entry's content (RFC 8785), over which its hash is taken. Two replicas that hold the same
 * content produce the same bytes. Refuses nothing: its input has passed entry.ts.
 */
import type { EntryContent } from './entry.ts';

/** Keys in the order RFC 8785 demands: by UTF-16 code units. A new wire field is a new protocol version. */
const CONTENT_KEYS = [
  'agent',
  'conclusion',
  'confidence',
  'createdAt',
  'entryId',
  'kind',
  'projectId',
  'refs',
  'status',
  'summary',
  'supersededBy',
  'tags',
  'title',
  'workspaceId',
] as const satisfies (keyof EntryContent)[];

/**
 * Canonical JSON of `content`; anything else on the object is ignored. `JSON.stringify` serialises the strings and
 * numbers of well-formed content exactly as RFC 8785 section 3.2.2 requires; only the key order is ours to see to.
 */
export function canonicalContent(content: EntryContent): string {
  const ordered: Record<string, unknown> = {};
  for (const key of CONTENT_KEYS) {
    if (content[key] !== undefined) ordered[key] = content[key];
  }
  return JSON.stringify(ordered);
}
