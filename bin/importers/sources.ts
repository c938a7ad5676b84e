/** What `sm brain import --source` reads. Apart, because the table of flags is all that most calls need. */

export const SOURCES = ['adr', 'git', 'instructions', 'mcp-memory', 'beads'] as const;
export type SourceName = (typeof SOURCES)[number];
