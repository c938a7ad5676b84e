/** The laws of stamping. Time is a number here; nothing reads a clock. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLOCK_SKEW_TOLERATED_MS, clockRegressionMs, nextStampTime } from '../../lib/core/clock.ts';
import { compareStamps } from '../../lib/core/merge.ts';

const time = fc.nat({ max: 8_640_000_000_000 });
const hash = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 });

test("[C1] a stamp is the writer's time or one past the newest seen, whichever is later", () => {
  fc.assert(
    fc.property(time, fc.option(time, { nil: undefined }), (nowMs, seenMs) => {
      const expected = seenMs === undefined || seenMs < nowMs ? nowMs : seenMs + 1;
      expect(nextStampTime(nowMs, seenMs)).toBe(expected);
    }),
  );
});

test('[C1] a stamp is a whole number of milliseconds, never ahead of the clock', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e13, noNaN: true }), (nowMs) => {
      const stamped = nextStampTime(nowMs, undefined);
      expect(Number.isSafeInteger(stamped)).toBe(true);
      expect(stamped).toBeLessThanOrEqual(nowMs);
    }),
  );
});

test('[C2] an edit beats every version that its writer knew, whatever the clock says and whatever its hash', () => {
  fc.assert(
    fc.property(time, fc.array(time, { minLength: 1 }), hash, hash, (nowMs, known, mine, theirs) => {
      const seenMs = Math.max(...known);
      const edit = { updatedAt: nextStampTime(nowMs, seenMs), hash: mine };
      for (const updatedAt of known) expect(compareStamps(edit, { updatedAt, hash: theirs })).toBeGreaterThan(0);
    }),
  );
});

test('[C2] a chain of edits is ordered as it was written, under any clock', () => {
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 20 }), (clock) => {
      let seenMs: number | undefined;
      for (const nowMs of clock) {
        const stamped = nextStampTime(nowMs, seenMs);
        if (seenMs !== undefined) expect(stamped).toBeGreaterThan(seenMs);
        seenMs = stamped;
      }
    }),
  );
});

test('[C3] a clock that is behind by more than is tolerated is reported, with by how much', () => {
  fc.assert(
    fc.property(time, time, (nowMs, highWaterMs) => {
      const behindMs = highWaterMs - nowMs;
      expect(clockRegressionMs(nowMs, highWaterMs)).toBe(behindMs > CLOCK_SKEW_TOLERATED_MS ? behindMs : 0);
    }),
  );
});

test('[C3] jitter of a second is not worth a word', () => {
  expect(clockRegressionMs(9_000, 10_000)).toBe(0);
  expect(clockRegressionMs(8_999, 10_000)).toBe(1_001);
  expect(clockRegressionMs(10_000, 9_000)).toBe(0);
});
