/** The hash of an entry's content, against RFC 8785 written out by itself. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalContent } from '../../lib/core/canonical.ts';
import type { EntryContent } from '../../lib/core/entry.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { entryContent, plainContent } from '../support/arbitraries.ts';
import { canonicalise } from '../support/canonical-json.ts';

test('[M7] the canonical text is that of RFC 8785', () => {
  fc.assert(
    fc.property(entryContent(), (content) => {
      expect(canonicalContent(content)).toBe(canonicalise(content));
    }),
    { numRuns: 200 },
  );
});

test('[M7] the oracle agrees with the examples of RFC 8785', () => {
  // Section 3.2.2, 3.2.3 and appendix B.
  expect(
    canonicalise({ numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001] }),
  ).toBe('{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}');
  expect(canonicalise('€$\u000F\nA\'B"\\\\"/')).toBe(String.raw`"€$\u000f\nA'B\"\\\\\"/"`);
  const keys = { '€': 0, '\r': 0, '\ufb33': 0, '1': 0, '😀': 0, '\u0080': 0, ö: 0 };
  expect([...canonicalise(keys).matchAll(/"([^"]+)":/g)].map(([, key]) => key)).toEqual([
    String.raw`\r`,
    '1',
    '\u0080',
    'ö',
    '€',
    '😀',
    '\ufb33',
  ]);
  expect(
    [0, -0, 5e-324, 1.7976931348623157e308, 9007199254740992, 1e21, 999999999999999900000].map(canonicalise),
  ).toEqual(['0', '0', '5e-324', '1.7976931348623157e+308', '9007199254740992', '1e+21', '999999999999999900000']);
});

test('[M7] numbers are written as RFC 8785 writes them', () => {
  const numbers = fc.oneof(
    fc.constantFrom(0.1, 1e-7, 1e-6, 1e21, 1e20, 123456789012345680000, 5e-324, 0.000001234),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  fc.assert(
    fc.property(numbers, (number) => {
      const content = { ...plainContent(0, 'a'), confidence: number, createdAt: number };
      expect(canonicalContent(content)).toBe(canonicalise(content));
    }),
    { numRuns: 1_000 },
  );
});

test('[M7] the hash is the SHA-256 of the UTF-8 bytes of the canonical text', () => {
  fc.assert(
    fc.property(entryContent(), (content) => {
      const bytes = Buffer.from(canonicalise(content), 'utf8');
      expect(hashContent(content)).toBe(createHash('sha256').update(bytes).digest('hex'));
    }),
  );
});

test('[M7] the order of fields and fields that are no content do not matter', () => {
  const extras = fc.dictionary(
    fc.string().filter((key) => !(key in contentWithEverything())),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(entryContent(), extras, fc.nat(), (content, extra, updatedAt) => {
      const backwards = Object.fromEntries(Object.entries(content).toReversed()) as unknown as EntryContent;
      expect(hashContent(backwards)).toBe(hashContent(content));
      expect(hashContent({ ...extra, ...content, updatedAt } as EntryContent)).toBe(hashContent(content));
    }),
  );
});

test('[M7] an absent optional field is left out', () => {
  const content = plainContent(0, 'a');
  expect(canonicalContent(content)).not.toContain('supersededBy');
  expect(canonicalContent({ ...content, supersededBy: undefined } as unknown as EntryContent)).toBe(
    canonicalContent(content),
  );
});

test('[M7] the hash of a known entry has not changed', () => {
  // Computed once by another program: a change here would make every brain disagree with every other.
  expect(hashContent(contentWithEverything())).toBe(KNOWN_HASH);
});

function contentWithEverything(): EntryContent {
  return {
    entryId: '01980c2e-0001-7abc-8def-0123456789ab',
    workspaceId: 'w',
    projectId: 'p',
    agent: 'claude',
    kind: 'insight',
    title: 'Größe "zählt" \\ 日本',
    summary: 'line\nline\ttab \u0001',
    conclusion: '🚀',
    tags: ['b', 'a'],
    refs: [],
    confidence: 0.1,
    status: 'superseded',
    supersededBy: '01980c2e-0002-7abc-8def-0123456789ab',
    createdAt: 1_700_000_000_000,
  };
}

const KNOWN_HASH = '95f7322bc21c62589faf9736412363b019f1feb0bb375f1e2014c325c5d3e42a';
