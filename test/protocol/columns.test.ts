/** Changes by column: the same changes, and rubbish refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { parseChange, readColumns } from '../../lib/protocol/change.ts';
import { toColumns } from '../../lib/protocol/columns.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { wireChangeId } from '../../lib/protocol/identity.ts';
import { type FlatChange, flatten } from '../../lib/protocol/wire.ts';
import { entryContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { nestChange } from '../support/server-changes.ts';

const hash = fc.constantFrom('0'.repeat(64), 'a'.repeat(64));
const flatChange: fc.Arbitrary<FlatChange> = fc
  .record({
    content: entryContent(20),
    updatedAt: fc.oneof(fc.nat(), fc.constantFrom(0, 8.64e15)),
    isDerived: fc.boolean(),
    number: fc.nat(50),
    base: fc.option(hash),
    replaces: fc.option(
      fc.array(
        fc.oneof(
          hash,
          hash.map((name) => `${name}@17`),
        ),
        { minLength: 1, maxLength: 3 },
      ),
    ),
    replicaId: fc.constantFrom('r1', 'r2'),
  })
  .map(({ content, updatedAt, isDerived, number, base, replaces, replicaId }) => {
    const named = { replicaId, entryId: content.entryId, updatedAt, hash: hashContent(content) };
    return flatten({
      entry: { ...content, updatedAt },
      changeId: isDerived ? wireChangeId(named) : idOf(number, 'cccccccc'),
      base,
      replicaId,
      ...(replaces === null ? {} : { replaces }),
    });
  });

function hashOf({
  changeId: _,
  base: __,
  replicaId: ___,
  replaces: ____,
  seq: _____,
  updatedAt: ______,
  ...content
}: FlatChange): string {
  return hashContent(content);
}

function isDerived(change: FlatChange): boolean {
  const { changeId, replicaId, entryId, updatedAt } = change;
  return changeId === wireChangeId({ replicaId, entryId, updatedAt, hash: hashOf(change) });
}

test('[S20] columns give back the very changes they were made of, over JSON', () => {
  fc.assert(
    fc.property(fc.array(flatChange, { maxLength: 12 }), fc.boolean(), (changes, hasSeqs) => {
      const sent = hasSeqs ? changes.map((change, index) => ({ ...change, seq: 3 * index + 1 })) : changes;
      const columns = toColumns(sent.map(nestChange), (position) => isDerived(sent[position] as FlatChange));
      const received = readColumns(JSON.parse(JSON.stringify(columns)) as Record<string, unknown>, 'w');
      expect(received.map(({ parsed }) => parsed)).toEqual(sent.map((row) => parseChange(row, 'w')));
      for (const { parsed } of received) expect(parsed).toHaveProperty('change');
      expect(received.map(({ named }) => named)).toEqual(sent.map(({ changeId, seq }) => ({ changeId, seq })));
    }),
  );
});

test('[S20] ids that can be worked out and values that are alike cost nothing', () => {
  const [change] = fc.sample(flatChange, { numRuns: 1, seed: 7 });
  if (change === undefined) throw new Error('no sample');
  const named = { replicaId: 'r1', entryId: change.entryId, updatedAt: change.updatedAt, hash: hashOf(change) };
  const alike = { ...change, replicaId: 'r1', changeId: wireChangeId(named) };
  const columns = toColumns([nestChange(alike), nestChange(alike), nestChange(alike)], () => isDerived(alike));
  expect(columns['changeId']).toEqual([null]);
  expect(columns['title']).toEqual([change.title]);
  expect(columns.count).toEqual([3]);
});

test('[S20] columns of any shape are refused or become rows, which are then checked one by one', () => {
  const columns = fc.dictionary(
    fc.constantFrom('count', 'entryId', 'title', 'changeId', 'createdAt', 'updatedAt', 'seq', '__proto__', 'replaces'),
    fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue(), { maxLength: 3 })),
  );
  fc.assert(
    fc.property(columns, fc.constantFrom(0, 1, 2, 1e9, -1, 0.5), (given, count) => {
      try {
        readColumns({ ...given, count: [count] }, 'w');
      } catch (error) {
        expect(error).toBeInstanceOf(SmError);
        expect(error).toMatchObject({ code: 'bad_request' });
      }
    }),
  );
});
