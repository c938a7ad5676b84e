/** The bounds of the wire, enforced by both sides and published in docs/PROTOCOL.md. Those of an entry are core's. */

/** How far ahead of the server's clock a stamp may be, in milliseconds. */
export const CLOCK_AHEAD_MAX_MS = 5 * 60 * 1000;
/** Changes in one answer to a pull, and what an answer gives where the request names no limit. */
export const PULL_CHANGES_MAX = 1_000;
export const PULL_CHANGES_DEFAULT = 200;
/** Ranges in one request for digests, and the parts each may be cut into. */
export const DIGEST_RANGES_MAX = 64;
export const DIGEST_PARTS_MAX = 64;
/** A part with at most so many entries may be answered by its stamps. */
export const DIGEST_STAMPS_MAX = 1_000;
/** Entries named by one request for their history. */
export const HISTORY_ENTRIES_MAX = 500;
/** Hashes that one version may name as replaced. */
export const REPLACES_MAX = 256;
/** Bytes of a request's body on the wire, before it is decompressed; afterwards BATCH_BYTES_MAX of core/limits.ts. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;
export const CLIENT_ID_CHARACTERS_MAX = 128;
