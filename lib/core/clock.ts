/**
 * Stamping. Time is a parameter, never read here. Invariant: a version written with knowledge of another always beats
 * it, whatever the clocks say.
 */

/** A clock that is behind by less than this is ordinary jitter and not worth a word, in milliseconds. */
export const CLOCK_SKEW_TOLERATED_MS = 1_000;

/**
 * The `updatedAt` of a new version.
 * @param nowMs the writer's clock, milliseconds since the epoch
 * @param seenMs the greatest `updatedAt` this writer has seen for the entry, or undefined for a new entry
 */
export function nextStampTime(nowMs: number, seenMs: number | undefined): number {
  const wholeMs = Math.floor(nowMs);
  return seenMs === undefined ? wholeMs : Math.max(wholeMs, seenMs + 1);
}

/**
 * How far the clock has gone back behind the newest time this brain ever stamped, in milliseconds; 0 where it has not.
 * @param highWaterMs the greatest time this replica has stamped from its own clock
 */
export function clockRegressionMs(nowMs: number, highWaterMs: number): number {
  const behindMs = highWaterMs - nowMs;
  return behindMs > CLOCK_SKEW_TOLERATED_MS ? behindMs : 0;
}
