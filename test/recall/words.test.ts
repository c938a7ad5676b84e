/** From text to terms, and from what was typed to a query. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseQuery, QUERY_TERMS_MAX } from '../../lib/recall/query.ts';
import { coverageOf, RELEVANT_MIN, relevanceOf } from '../../lib/recall/relevance.ts';
import { shareOf } from '../../lib/recall/unknown-words.ts';
import { TERM_CHARACTERS_MAX, termsOf, wordsOf } from '../../lib/recall/words.ts';

const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }));

test('[R6] any text gives bounded, well-formed terms that no attribute can be', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const terms = termsOf(text);
      for (const term of terms) {
        expect(term.length).toBeGreaterThan(0);
        expect(term.length).toBeLessThanOrEqual(TERM_CHARACTERS_MAX);
        expect(term.isWellFormed()).toBe(true);
        expect(term).not.toMatch(/[\s=\0]/);
      }
      expect(termsOf(text)).toEqual(terms);
      // A query has the terms that an entry of the same text has.
      expect(new Set(wordsOf(text).flatMap((word) => word.terms))).toEqual(new Set(terms));
    }),
    { numRuns: 500 },
  );
});

test('[R6] any text is a query of so many terms at most, and one that is longer is cut', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(parseQuery(text).sequence.length).toBeLessThanOrEqual(QUERY_TERMS_MAX);
    }),
    { numRuns: 500 },
  );
  const long = Array.from({ length: 800 }, (_, number) => `word${number.toString(36)}`).join(' ');
  expect(parseQuery(long).sequence).toHaveLength(QUERY_TERMS_MAX);
});

test.each([
  ['Retrying connections', 'retri connect'],
  ['getUserName', 'getusernam get user name'],
  ['get_user_name get-user-name', 'getusernam get user name getusernam get user name'],
  ['HTTPServer2', 'httpserver2 http server2'],
  ['lib/store/append.ts', 'lib store append.ts append ts'],
  ['CartRepository.findOpen()', 'cartrepository.findopen cartrepositori cart repositori findopen find open'],
  ['STA-412', 'sta412 sta 412'],
  ['v1.2.3', 'v1.2.3 v1'],
  ['1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d', '1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d 1a2b3c4'],
  ['数据库 wal', '数据 据库 wal'],
  ["the user's café", 'user cafe'],
  ['the of and', ''],
])('[R3] the terms of %s', (text, terms) => {
  expect(termsOf(text).join(' ')).toBe(terms);
});

test('[R3] C# and C++ are names, and no other sign makes one', () => {
  expect(termsOf('C# and C++ in F# a+b #1')).toEqual(expect.arrayContaining(['c#', 'c++', 'f#']));
  expect(termsOf('word# thing++')).toEqual(['word', 'thing']);
});

test('[R10] phrases, words to leave out and tags are told from words', () => {
  expect(parseQuery('"connection pool" timeout -staging tag:db -"read only" --flag a-b')).toMatchObject({
    phrases: ['connection pool'],
    excluded: ['stage'],
    excludedPhrases: ['read only'],
    required: ['=tag:db'],
    words: [{ text: 'connection' }, { text: 'pool' }, { text: 'timeout' }, { text: 'flag' }, { text: 'a-b' }],
  });
  expect(parseQuery('tag:"two words" -tag:old').required).toEqual(['=tag:two words']);
  expect(parseQuery('-tag:old x').excluded).toEqual(['=tag:old']);
  // Of one word all forms go; several stand together, in quotes or as a name.
  expect(parseQuery('x -"Pools" -lib/store, -"two  Words"')).toMatchObject({
    excluded: ['pool'],
    excludedPhrases: ['lib/store', 'two words'],
  });
  // A quotation mark that nothing closes is punctuation.
  expect(parseQuery('say "hello')).toMatchObject({ phrases: [], words: [{ text: 'say' }, { text: 'hello' }] });
});

test('[R10] in a sentence quotes and dashes are punctuation; what is left out is said at its end', () => {
  const sentence = 'Write -o to the file that the "connection pool" reads its settings from at every start';
  expect(parseQuery(sentence)).toMatchObject({ phrases: [], excluded: [] });
  expect(parseQuery(sentence).words.map(({ text }) => text)).toEqual(
    expect.arrayContaining(['o', 'connection', 'pool']),
  );
  expect(parseQuery(`${sentence} -staging tag:db`)).toMatchObject({ excluded: ['stage'], required: ['=tag:db'] });
  expect(parseQuery('how do we size the "connection pool" of checkout')).toMatchObject({
    phrases: ['connection pool'],
  });
});

test.each([
  ['should we use redis', ['redis']],
  ['What did we decide about mail?', ['mail']],
  ['have we ever tried kafka for the job queue', ['kafka', 'job', 'queue']],
  ['use redis', ['use', 'redis']],
  ['what should we use', ['use']],
  ['when does the decision log grow', ['log', 'grow']],
])('[R18] %s asks for %j', (question, asked) => {
  expect(parseQuery(question).words.map(({ text }) => text)).toEqual(asked);
});

test('[R7] a name counts as its parts, a script without spaces by its pairs', () => {
  const covered = (query: string, ...terms: string[]) =>
    coverageOf(
      parseQuery(query).words,
      new Map([['kuber', ['kubernet']]]),
      (term) => terms.includes(term),
      (term) => term !== 'sha256',
    );
  expect(covered('pool-size-limit', 'pool', 'size')).toMatchObject({ asked: 3, matched: 2 });
  expect(covered('tune pool-size-limit', 'poolsizelimit')).toMatchObject({ asked: 4, matched: 3 });
  expect(covered('pool-size-limit', 'poolsizelimit')).toMatchObject({ asked: 1, matched: 1 });
  expect(covered('kuber rollout', 'kubernet')).toMatchObject({ asked: 2, matched: 1 });
  expect(covered('数据库连接', '数据', '连接')).toMatchObject({ asked: 4, matched: 2 });
});

test('[R7] who names a thing by what it is called is answered, whatever else the question says', () => {
  const isIdentified = (query: string, ...terms: string[]) =>
    coverageOf(
      parseQuery(query).words,
      new Map(),
      (term) => terms.includes(term),
      (term) => term !== 'sha256',
    ).isIdentified;
  expect(isIdentified('status of STA-412', 'sta412', 'sta', '412')).toBe(true);
  expect(isIdentified('what did 9fceb02a do', '9fceb02a', '9fceb02')).toBe(true);
  // Its parts alone are no name; a name that many entries have tells nothing, nor does a short one.
  expect(isIdentified('status of STA-412', 'sta', '412')).toBe(false);
  expect(isIdentified('why sha256 here', 'sha256')).toBe(false);
  expect(isIdentified('the S3 bucket', 's3')).toBe(false);
  expect(relevanceOf(0.06, 0.2, { asked: 9, matched: 1, isIdentified: true })).toBeGreaterThan(RELEVANT_MIN);
  expect(relevanceOf(0.06, 0.2, { asked: 9, matched: 1, isIdentified: false })).toBeLessThan(RELEVANT_MIN);
});

test('[R7] the more and the rarer words match, and the greater their share, the sooner it is an answer', () => {
  const of = (score: number, rarity: number, matched: number, asked: number) =>
    relevanceOf(score, rarity, { asked, matched, isIdentified: false });
  expect(of(0.4, 1, 3, 6)).toBeGreaterThan(of(0.4, 1, 1, 6));
  expect(of(0.4, 1, 3, 6)).toBeGreaterThan(of(0.4, 0.5, 3, 6));
  expect(of(0.4, 1, 3, 6)).toBeGreaterThan(of(0.2, 1, 3, 6));
  expect(of(1, 50, 9, 9)).toBe(1);
  expect(of(0, 0, 0, 5)).toBe(0);
  // Words that every entry has are an answer where all of them are there, and a single word is one in any case.
  expect(of(0.7, 0.01, 2, 2)).toBeGreaterThan(RELEVANT_MIN);
  expect(of(0.1, 0.01, 1, 1)).toBeGreaterThan(RELEVANT_MIN);
});

test('[R13] what an unknown word can stand for', () => {
  expect(shareOf('kuber', 'kubernet')).toBeGreaterThan(0.6);
  expect(shareOf('kubernets', 'kubernetes')).toBeGreaterThan(0.6);
  expect(shareOf('tiemout', 'timeout')).toBeGreaterThan(0.6);
  expect(shareOf('conection', 'connection')).toBeGreaterThan(shareOf('conectoin', 'connection'));
  expect(shareOf('cart', 'card')).toBeGreaterThan(0);
  expect(shareOf('cart', 'dart')).toBe(shareOf('cart', 'card'));
  expect(shareOf('timeout', 'postgres')).toBe(0);
});
