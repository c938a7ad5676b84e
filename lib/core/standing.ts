/**
 * How feedback moves an entry's standing, which is its confidence: each verdict a bounded step, so that no number of them
 * makes an entry certain or takes it away. Pure.
 */

export const VERDICTS = ['useful', 'stale'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Feedback never raises above the one nor lowers below the other; who records or edits may. */
export const STANDING_MAX = 0.95;
export const STANDING_MIN = 0.05;

/** An entry that is doubted so much is left out where nobody asked for it, and comes behind others where somebody did. */
export const DOUBTFUL_BELOW = 0.2;

/** A quarter of the way up, or half of the way down: doubt weighs more than consent. */
export function standingAfter(confidence: number, verdict: Verdict): number {
  if (verdict === 'useful') {
    return confidence >= STANDING_MAX ? confidence : rounded(confidence + (STANDING_MAX - confidence) / 4);
  }
  return confidence <= STANDING_MIN ? confidence : rounded(Math.max(STANDING_MIN, confidence / 2));
}

/** So that it is the same, and short, on every machine. */
function rounded(confidence: number): number {
  return Math.round(1_000 * confidence) / 1_000;
}
