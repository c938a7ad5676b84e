import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DOUBTFUL_BELOW, STANDING_MAX, STANDING_MIN, standingAfter, VERDICTS } from '../../lib/core/standing.ts';

test('[E10] no number of verdicts leaves the bounds, and each moves in its direction or not at all', () => {
  const verdicts = fc.array(fc.constantFrom(...VERDICTS), { maxLength: 40 });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), verdicts, (start, given) => {
      let confidence = start;
      for (const verdict of given) {
        const next = standingAfter(confidence, verdict);
        if (verdict === 'useful') expect(next).toBeGreaterThanOrEqual(Math.min(confidence, STANDING_MAX) - 0.000_5);
        else expect(next).toBeLessThanOrEqual(Math.max(confidence, STANDING_MIN));
        expect(next).toBeLessThanOrEqual(Math.max(start, STANDING_MAX));
        expect(next).toBeGreaterThanOrEqual(Math.min(start, STANDING_MIN));
        confidence = next;
      }
    }),
  );
});

test('[E10] what is useful is believed more and more, and two doubts make an ordinary entry doubtful', () => {
  expect(standingAfter(0.7, 'useful')).toBe(0.763);
  expect(standingAfter(0.7, 'stale')).toBe(0.35);
  expect(standingAfter(0.35, 'stale')).toBeLessThan(DOUBTFUL_BELOW);
});
