/** From what was typed to words, and to the forms in which the index has them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { QUERY_WORDS_MAX, queryWords, wordForms } from '../../lib/recall/query-words.ts';

test('[R6] any text gives at most so many distinct, bounded, well-formed words', () => {
  const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }));
  fc.assert(
    fc.property(anyText, (text) => {
      const words = queryWords(text);
      expect(words.length).toBeLessThanOrEqual(QUERY_WORDS_MAX);
      expect(new Set(words.map((word) => word.toLowerCase())).size).toBe(words.length);
      for (const word of words) {
        expect(word).toMatch(/[\p{L}\p{N}]/u);
        expect(word).not.toMatch(/[\s\0'"&|!()*]/);
        expect(word.length).toBeLessThanOrEqual(200);
        expect(word.isWellFormed()).toBe(true);
      }
    }),
  );
});

test('[R6] a text of one long word, and one that is cut inside a character', () => {
  expect(queryWords('x'.repeat(4_096))).toEqual(['x'.repeat(200)]);
  expect(queryWords(`${'x'.repeat(199)}𝒳𝒴`)[0]?.isWellFormed()).toBe(true);
});

test('[R3] names of code stay whole, in their case', () => {
  expect(queryWords('why does getUserName() in lib/store/append.ts fail? C# v1.2 a_b-c d:e @x/y')).toEqual([
    'why',
    'does',
    'getUserName',
    'in',
    'lib/store/append.ts',
    'fail',
    'C#',
    'v1.2',
    'a_b-c',
    'd:e',
    '@x/y',
  ]);
  expect(queryWords('...dots. -dash- (paren) "quote" Word word WORD')).toEqual([
    'dots',
    'dash',
    'paren',
    'quote',
    'Word',
  ]);
});

test('[R3] a compound name is looked for as it is and by all of its parts', () => {
  expect(wordForms('plain')).toEqual(['plain']);
  expect(wordForms('getUserName')).toEqual(['getUserName', 'get User Name']);
  expect(wordForms('max_wal_size')).toEqual(['max wal size']);
  expect(wordForms('lib/store.ts')).toEqual(['lib/store.ts', 'lib store ts']);
  expect(wordForms('sha256Hex')).toEqual(['sha256Hex', 'sha256 Hex']);
});

test('[R3] marks that belong to letters do not cut words', () => {
  expect(queryWords('हिन्दी cafe\u0301 ไทย')).toEqual(['हिन्दी', 'cafe\u0301', 'ไทย']);
});
