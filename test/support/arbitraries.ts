/** What fast-check draws from: texts, entries and changes that are hard on a store, with collisions on purpose. */
import fc from 'fast-check';
import type { Entry, EntryContent } from '../../lib/core/entry.ts';
import { ENTRY_KINDS, ENTRY_STATUSES } from '../../lib/core/vocabulary.ts';
import type { Stamp } from '../../lib/core/merge.ts';
import type { NewChange } from '../../lib/store/append.ts';
import { idOf } from './ids.ts';

const NASTY_TEXTS = [
  `'; DROP TABLE brain_changes; --`,
  '"quoted" \\ backslash \\u0000 %s %_ $1 {} []',
  '\u2028\u2029\u0001\u007f\u0085\ufeff',
  '日本語の検索 · поиск · हिन्दी · 🚀👩‍👩‍👧',
  'null',
  '\\N',
  'e\u0301 é ß ſ İ',
  '{1,2,NULL}',
];

/** Well-formed text without NUL, as an entry may hold it. */
export function entryText(maxLength = 40): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: 'binary', maxLength }).map((text) => text.replaceAll('\0', '')),
    fc.constantFrom(...NASTY_TEXTS),
  );
}

/** Text that is not blank. */
export function labelText(): fc.Arbitrary<string> {
  return entryText(20).filter((text) => text.trim() !== '');
}

export function confidence(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(0, 1, 0.1, 0.7, 1e-7, 1e-320, 5e-324, 1 - Number.EPSILON),
    fc.double({ min: 0, max: 1, noNaN: true }).map((number) => (number === 0 ? 0 : number)),
  );
}

/** Times at both ends of what is allowed, and usual ones. */
export function timestamp(): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(0, 1, 8.64e15, 1_700_000_000_000), fc.nat());
}

/** Any content of one of `ids` entries of the workspace `w`. */
export function entryContent(ids = 4): fc.Arbitrary<EntryContent> {
  return fc
    .record({
      entryId: fc.nat(ids - 1).map((number) => idOf(number)),
      workspaceId: fc.constant('w'),
      projectId: fc.constantFrom('p', 'q', ''),
      agent: labelText(),
      kind: fc.constantFrom(...ENTRY_KINDS),
      title: labelText(),
      summary: entryText(200),
      conclusion: entryText(),
      tags: fc.array(labelText(), { maxLength: 4 }),
      refs: fc.array(labelText(), { maxLength: 4 }),
      confidence: confidence(),
      status: fc.constantFrom(...ENTRY_STATUSES),
      supersededBy: fc.option(
        fc.nat(ids - 1).map((number) => idOf(number)),
        { nil: undefined },
      ),
      createdAt: timestamp(),
    })
    .map(({ supersededBy, ...content }) => (supersededBy === undefined ? content : { ...content, supersededBy }));
}

/** A version of one of three entries with one of few contents and times, so that stamps are often equal. */
function collidingEntry(): fc.Arbitrary<Entry> {
  return fc
    .record({
      number: fc.nat(2),
      title: fc.constantFrom('a', 'b', 'c'),
      updatedAt: fc.constantFrom(1, 2, 3, 10, 8.64e15),
    })
    .map(({ number, title, updatedAt }) => ({ ...plainContent(number, title), updatedAt }));
}

export function plainContent(number: number, title: string): EntryContent {
  return {
    entryId: idOf(number),
    workspaceId: 'w',
    projectId: 'p',
    agent: 'claude',
    kind: 'note',
    title,
    summary: '',
    conclusion: '',
    tags: [],
    refs: [],
    confidence: 0.7,
    status: 'active',
    createdAt: 0,
  };
}

/** Changes to append: few change ids, so that some are repeated, also with other contents. */
export function newChange(changeIds = 14): fc.Arbitrary<NewChange> {
  return fc.record({
    changeId: fc.nat(changeIds - 1).map((number) => idOf(number, 'cccccccc')),
    base: fc.constantFrom(null, '0'.repeat(64)),
    replicaId: fc.constantFrom('r1', 'r2'),
    receivedAt: timestamp(),
    origin: fc.constantFrom('local', 'https://sync.example.org/"\'\\'),
    entry: fc.oneof(
      { weight: 3, arbitrary: collidingEntry() },
      {
        weight: 1,
        arbitrary: fc
          .record({ content: entryContent(3), updatedAt: timestamp() })
          .map(({ content, updatedAt }) => ({ ...content, updatedAt })),
      },
    ),
  });
}

/** Stamps that are often equal in time, and sometimes in full. */
export function stamp(): fc.Arbitrary<Stamp> {
  return fc.record({
    updatedAt: fc.oneof(fc.constantFrom(0, 1, 2, 8.64e15), fc.maxSafeNat()),
    hash: fc.oneof(
      fc.constantFrom('0'.repeat(64), 'f'.repeat(64), 'a'.repeat(64)),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
    ),
  });
}
