/** The laws of merging, on the pure merge. The same laws hold in SQL: see test/store/append.test.ts. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareStamps, materialise, merge, mergeOutcome, type Stamp } from '../../lib/core/merge.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { entryContent, stamp } from '../support/arbitraries.ts';

test('[M1] merging two versions gives the same in either order', () => {
  fc.assert(
    fc.property(stamp(), stamp(), (a, b) => {
      expect(merge(a, b)).toEqual(merge(b, a));
    }),
  );
});

test('[M1] the greater time wins, and at equal times the greater hash', () => {
  const older = { updatedAt: 1, hash: 'f'.repeat(64) };
  const newer = { updatedAt: 2, hash: '0'.repeat(64) };
  const tied = { updatedAt: 2, hash: 'a'.repeat(64) };
  expect(merge(older, newer)).toBe(newer);
  expect(merge(newer, tied)).toBe(tied);
});

test('[M2] merging three versions gives the same however they are grouped', () => {
  fc.assert(
    fc.property(stamp(), stamp(), stamp(), (a, b, c) => {
      expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)));
    }),
  );
});

test('[M3] merging a version with itself changes nothing', () => {
  fc.assert(
    fc.property(stamp(), (a) => {
      expect(merge(a, { ...a })).toEqual(a);
      expect(mergeOutcome(a, { ...a })).toBe('duplicate');
    }),
  );
});

test('[M4] stamps are totally ordered', () => {
  fc.assert(
    fc.property(stamp(), stamp(), stamp(), (a, b, c) => {
      expect(Math.sign(compareStamps(a, b)) + Math.sign(compareStamps(b, a))).toBe(0);
      if (compareStamps(a, b) <= 0 && compareStamps(b, c) <= 0) expect(compareStamps(a, c)).toBeLessThanOrEqual(0);
      expect(compareStamps(a, b) === 0).toBe(a.updatedAt === b.updatedAt && a.hash === b.hash);
    }),
  );
});

test('[M4] equal hashes mean equal contents', () => {
  fc.assert(
    fc.property(entryContent(1), entryContent(1), (a, b) => {
      expect(hashContent(structuredClone(a))).toBe(hashContent(a));
      expect(hashContent(a) === hashContent(b)).toBe(isDeepStrictEqual(a, b));
    }),
  );
});

test('[M4] any change of any field is another hash', () => {
  fc.assert(
    fc.property(entryContent(1), fc.nat(), (content, pick) => {
      const keys = Object.keys(content) as (keyof typeof content)[];
      const key = keys[pick % keys.length] ?? 'title';
      const value = content[key];
      const changed = { ...content, [key]: changeOf(value) };
      expect(hashContent(changed)).not.toBe(hashContent(content));
    }),
  );
});

test('[M5] a log replayed in any order with any repetitions gives the same entries', () => {
  const version = fc
    .tuple(fc.nat(3), stamp())
    .map(([id, { updatedAt, hash }]) => ({ entryId: `e${id}`, updatedAt, hash }));
  const shuffled = fc
    .array(version, { maxLength: 20 })
    .chain((log) => fc.tuple(fc.constant(log), fc.shuffledSubarray(log, { minLength: log.length }), fc.subarray(log)));
  fc.assert(
    fc.property(shuffled, ([log, permuted, repeated]) => {
      const expected = sorted(materialise(log));
      expect(sorted(materialise([...permuted, ...repeated]))).toEqual(expected);
      expect(expected).toEqual(sorted(greatestOfEach(log)));
    }),
  );
});

test('[M5] what each change does on arrival leads to what a replay gives', () => {
  fc.assert(
    fc.property(fc.array(stamp(), { minLength: 1, maxLength: 12 }), (arrivals) => {
      let current: Stamp | undefined;
      for (const arrival of arrivals) {
        const outcome = mergeOutcome(current, arrival);
        const isGreater = current === undefined || compareStamps(arrival, current) > 0;
        expect(outcome === 'applied').toBe(isGreater);
        if (outcome === 'applied') current = arrival;
      }
      expect(current).toEqual(arrivals.reduce((a, b) => merge(a, b)));
    }),
  );
});

type Version = Stamp & { entryId: string };

function sorted(winners: Map<string, Version>): Version[] {
  return [...winners.values()].toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1));
}

/** The same by sorting instead of merging. */
function greatestOfEach(log: Version[]): Map<string, Version> {
  const ascending = log.toSorted((a, b) => a.updatedAt - b.updatedAt || (a.hash < b.hash ? -1 : 1));
  return new Map(ascending.map((version) => [version.entryId, version]));
}

function changeOf(value: unknown): unknown {
  if (typeof value === 'number') return value === 0 ? 1 : 0;
  if (Array.isArray(value)) return [...(value as unknown[]), ''];
  return `${String(value)}x`;
}
