/**
 * The closed word lists of an entry and its defaults, apart from entry.ts so that a caller who only prints or completes
 * words need not load the validator.
 */

export const ENTRY_KINDS = ['experiment', 'decision', 'insight', 'note'] as const;
export const ENTRY_STATUSES = ['active', 'superseded', 'retracted'] as const;
/** Coding agents that are known by name, that a client's own name is looked for, and that `sm setup` connects. */
export const CODING_AGENTS = ['claude', 'codex', 'opencode', 'hermes', 'gemini', 'cursor'] as const;
/** For whom `sm setup` writes: one user, or all who work in a project. */
export const SETUP_SCOPES = ['user', 'project'] as const;
/** Who is offered as an entry's agent; any other name is welcome too. */
export const KNOWN_AGENTS = [...CODING_AGENTS, 'human'] as const;

/** What a context for a prompt is written as. */
export const CONTEXT_FORMATS = ['markdown', 'xml', 'json'] as const;

export type EntryKind = (typeof ENTRY_KINDS)[number];
export type EntryStatus = (typeof ENTRY_STATUSES)[number];
export type ContextFormat = (typeof CONTEXT_FORMATS)[number];

export const DEFAULT_CONFIDENCE = 0.7;
export const DEFAULT_KIND: EntryKind = 'note';
