/** Vectors, and what stands out among them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cosine, packVector, VECTORS_MIN, VectorTable } from '../../lib/recall/vectors.ts';
import { vectorOf } from '../support/embedding-server.ts';

const pack = (text: string, how = {}): Int8Array => packVector(vectorOf(text, how)) ?? new Int8Array();

function tableOf(texts: readonly string[]): VectorTable {
  const table = new VectorTable(64);
  for (const text of texts) table.set(text, pack(text));
  return table;
}

const OTHERS = Array.from(
  { length: 60 },
  (_, index) => `note ${String.fromCodePoint(97 + (index % 26)).repeat(3 + index)}`,
);

it('[R30] a byte for each dimension keeps the direction', () => {
  const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 16, maxLength: 64 });
  fc.assert(
    fc.property(numbers, (values) => {
      const packed = packVector(values);
      if (values.every((value) => value === 0)) return expect(packed).toBeUndefined();
      const given = values.map((value) => value / Math.max(...values.map(Math.abs)));
      const product = given.reduce((sum, value, index) => sum + value * (packed?.[index] ?? 0), 0);
      const lengths = Math.hypot(...given) * Math.hypot(...(packed ?? []));
      expect(product / lengths).toBeGreaterThan(0.99);
    }),
  );
  expect(packVector([0, 0])).toBeUndefined();
  expect(packVector([1, Number.NaN])).toBeUndefined();
  expect(packVector([1, Number.POSITIVE_INFINITY])).toBeUndefined();
  expect(cosine(pack('fast car'), pack('rapid vehicle'))).toBeCloseTo(1);
  expect(cosine(pack('a'), pack('a', { dimensions: 32 }))).toBe(0);
});

it('[R30] what means the same stands out, and what has nothing to do with the question does not', () => {
  const table = tableOf([...OTHERS, 'rapid vehicle', 'ship']);
  const near = table.nearnessTo(pack('fast car'), 10);
  expect(near?.nearest[0]).toBe('rapid vehicle');
  expect(near?.of('rapid vehicle')).toBe(1);
  expect(near?.of('ship')).toBeLessThan(0.5);
  expect(near?.of('none such')).toBeUndefined();
  expect(table.nearnessTo(pack('submarine sandwich'), 10)?.of('ship')).toBeLessThan(0.5);
  expect(table.nearnessTo(pack('fast car'), 1)?.nearest).toHaveLength(1);
});

it('[R30] an entry that is written again is in the table once, as it was last', () => {
  const table = tableOf([...OTHERS, 'old']);
  const { size } = table;
  table.set('old', pack('rapid vehicle'));
  expect(table.size).toBe(size);
  expect(table.nearnessTo(pack('fast car'), 1)?.nearest).toEqual(['old']);
});

it('[R30] too few, all alike, or of another length say nothing', () => {
  expect(tableOf(OTHERS.slice(0, VECTORS_MIN - 1)).nearnessTo(pack('car'), 9)).toBeUndefined();
  const alike = new VectorTable(64);
  for (const text of OTHERS) alike.set(text, pack('same'));
  expect(alike.nearnessTo(pack('car'), 9)).toBeUndefined();
  expect(tableOf(OTHERS).nearnessTo(pack('car', { dimensions: 32 }), 9)).toBeUndefined();
  const table = tableOf(OTHERS);
  table.set('shorter', pack('car', { dimensions: 32 }));
  expect(table.size).toBe(OTHERS.length);
});
