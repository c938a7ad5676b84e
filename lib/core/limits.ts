/**
 * Every bound on what an entry may hold and on how much travels at once, with its unit. The figures are those of the
 * sync protocol, so that what a brain accepts a server accepts too.
 */

export const TITLE_CHARACTERS_MAX = 500;
export const TEXT_BYTES_MAX = 64 * 1024;
export const TAGS_MAX = 64;
export const REFS_MAX = 256;
export const LABEL_CHARACTERS_MAX = 512;
export const AGENT_CHARACTERS_MAX = 128;
export const SCOPE_CHARACTERS_MAX = 128;

/** Changes written by one transaction, and entries read by one page. */
export const BATCH_CHANGES_MAX = 1_000;
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Entries that one `recall` or `list` may ask for. */
export const RESULTS_MAX = 10_000;
export const QUERY_CHARACTERS_MAX = 4_096;

/** Tokens of o200k_base that a context for a prompt may be asked to keep to. Fewer would hold the frame and nothing. */
export const CONTEXT_TOKENS_MIN = 200;
export const CONTEXT_TOKENS_MAX = 100_000;

/** Of a vector that means a text; the greatest that is known of has 4,096. */
export const EMBEDDING_DIMENSIONS_MAX = 8_192;

/** Steps of a graph of what was recorded when. */
export const ACTIVITY_STEPS_MAX = 400;

/** Commits, names of a file, and issue keys that one `why` may be asked about. */
export const WHY_COMMITS_MAX = 1_000;
export const WHY_PATHS_MAX = 32;
export const WHY_KEYS_MAX = 64;

/** Milliseconds since the epoch that JavaScript's Date can still show: the year 275760. */
export const TIMESTAMP_MS_MAX = 8.64e15;

/** Below this much free disk nothing is written, so that PostgreSQL itself never runs out of space. */
export const DISK_RESERVE_BYTES = 16 * 1024 * 1024;

/** A server's clock that is further off is more likely its own mistake than this machine's: it is reported, not followed. */
export const CLOCK_OFFSET_TRUSTED_MS = 48 * 60 * 60 * 1000;
