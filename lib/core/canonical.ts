/**
 * The canonical JSON of an entry's content (RFC 8785), over which its hash is taken. Two replicas that hold the same
 * content produce the same bytes. Refuses nothing: its input has passed entry.ts.
 */
import type { EntryContent } from './entry.ts';

/**
 * Canonical JSON of `content`; anything else on the object is ignored. `JSON.stringify` serialises the strings and
 * numbers of well-formed content exactly as RFC 8785 section 3.2.2 requires, and leaves out what is undefined; only the
 * order of the keys, by UTF-16 code units, is ours to see to. A new wire field is a new protocol version.
 */
export function canonicalContent(content: EntryContent): string {
  return JSON.stringify({
    agent: content.agent,
    conclusion: content.conclusion,
    confidence: content.confidence,
    createdAt: content.createdAt,
    entryId: content.entryId,
    kind: content.kind,
    projectId: content.projectId,
    refs: content.refs,
    status: content.status,
    summary: content.summary,
    supersededBy: content.supersededBy,
    tags: content.tags,
    title: content.title,
    workspaceId: content.workspaceId,
  } satisfies Record<keyof EntryContent, unknown>);
}
