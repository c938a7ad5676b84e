/** Which entries are named where nothing is relevant: as near misses, and never as an answer. Pure. */

/** Of less relevance than this, an entry has a common word or two of many, and is not worth naming. */
const NEAR_MIN = 0.05;

/** Misses that are named. */
export const MISSES_MAX = 3;

export function isNear({ reasons }: { reasons: { relevance: number } }): boolean {
  return reasons.relevance >= NEAR_MIN;
}
