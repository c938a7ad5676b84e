/** The merge in SQL against the pure merge, and the entries against the log that they come from. */
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canonicalContent } from '../../lib/core/canonical.ts';
import { materialise, type MergeOutcome, mergeOutcome } from '../../lib/core/merge.ts';
import { appendChanges, type NewChange } from '../../lib/store/append.ts';
import { type Database, rowsOf } from '../../lib/store/database.ts';
import { hashContent, sha256Hex } from '../../lib/protocol/hash.ts';
import { type ChangeRecord, listEntries, readLogPage } from '../../lib/store/read.ts';
import { rebuildEntries } from '../../lib/store/verify.ts';
import { entryContent, newChange, plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { digestEntries, inScratch, openTestStore, type TestStore } from '../support/stores.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openTestStore();
});
afterAll(() => opened.dispose());

const batches = fc.array(fc.array(newChange(), { maxLength: 10 }), { minLength: 1, maxLength: 4 });

test('[M6] batches of any changes fare in SQL as they do in the pure merge', async () => {
  await fc.assert(
    fc.asyncProperty(batches, (history) =>
      inScratch(opened.store, async (transaction) => {
        const model = new ModelLog();
        for (const batch of history) {
          const outcomes = await appendChanges(transaction, batch);
          expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(model.append(batch)));
        }
        expect(await readWholeLog(transaction)).toEqual(model.log);
        expect(await readAllEntries(transaction)).toEqual(model.entries());
      }),
    ),
  );
});

test('[M7] what the log holds is, to the character, what the hash covers, and the entry says the same', async () => {
  const contents = fc.uniqueArray(entryContent(50), { selector: ({ entryId }) => entryId, minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(contents, (drawn) =>
      inScratch(opened.store, async (transaction) => {
        const entries = drawn.map((content, number) => ({ ...content, workspaceId: 'w', updatedAt: number }));
        await appendChanges(
          transaction,
          entries.map((entry, number) => changeOf(number, entry)),
        );
        const rows = await rowsOf<{ content: string; hash: string }>(
          transaction,
          sql`SELECT content, hash FROM brain_changes ORDER BY seq`,
        );
        expect(rows.map(({ content }) => content)).toEqual(entries.map(canonicalContent));
        expect(rows.map(({ hash }) => hash)).toEqual(rows.map(({ content }) => sha256Hex(content)));
        expect(await readAllEntries(transaction)).toEqual(entries.toSorted(byId));
      }),
    ),
  );
});

test('[M6] equal times are decided by the hash as text, at both ends of time', async () => {
  const titles = ['a', 'b', 'c', 'd', 'e'];
  for (const updatedAt of [0, 9, 10, 999, 8.64e15]) {
    const changes = titles.map((title, number) => changeOf(number, { ...plainContent(0, title), updatedAt }));
    const greatest = titles.toSorted((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1)).at(-1);
    await inScratch(opened.store, async (transaction) => {
      await appendChanges(transaction, changes);
      const [entry] = await readAllEntries(transaction);
      expect(entry?.title).toBe(greatest);
    });
  }
});

test('[M6] of two times the greater number wins, not the greater text', async () => {
  await inScratch(opened.store, async (transaction) => {
    const nine = changeOf(1, { ...plainContent(0, 'nine'), updatedAt: 9 });
    const ten = changeOf(2, { ...plainContent(0, 'ten'), updatedAt: 10 });
    expect([...(await appendChanges(transaction, [ten, nine])).values()]).toEqual(['applied', 'superseded']);
    expect((await readAllEntries(transaction))[0]?.title).toBe('ten');
  });
});

test('[M5] any order, grouping and repetition of the same changes gives the same entries to the byte', async () => {
  const distinct = fc.uniqueArray(newChange(1_000), {
    selector: ({ changeId }) => changeId,
    minLength: 1,
    maxLength: 12,
  });
  const arrivals = distinct.chain((changes) =>
    fc.record({
      changes: fc.constant(changes),
      permuted: fc.shuffledSubarray(changes, { minLength: changes.length }),
      again: fc.subarray(changes),
      cut: fc.nat(changes.length),
    }),
  );
  await fc.assert(
    fc.asyncProperty(arrivals, async ({ changes, permuted, again, cut }) => {
      const digests: string[] = [];
      for (const deliveries of [[changes], [permuted.slice(0, cut), permuted.slice(cut), again]]) {
        await inScratch(opened.store, async (transaction) => {
          for (const delivery of deliveries) await appendChanges(transaction, delivery);
          digests.push(await digestEntries(transaction));
        });
      }
      expect(digests[1]).toBe(digests[0]);
    }),
  );
});

test('[L2] entries rebuilt from the log are the same to the byte, after any history', async () => {
  await fc.assert(
    fc.asyncProperty(batches, (history) =>
      inScratch(opened.store, async (transaction) => {
        for (const batch of history) await appendChanges(transaction, batch);
        const before = await digestEntries(transaction);
        const report = await rebuildEntries(transaction);
        expect(await digestEntries(transaction)).toBe(before);
        expect(report.repaired).toBe(0);
      }),
    ),
    { numRuns: 50 },
  );
});

test('[L2] rebuilding repairs entries that were changed, lost or made up', async () => {
  await inScratch(opened.store, async (transaction) => {
    await appendChanges(
      transaction,
      [0, 1, 2].map((number) => changeOf(number, { ...plainContent(number, 'as logged'), updatedAt: 5 })),
    );
    const before = await digestEntries(transaction);
    await transaction.execute(sql`UPDATE brain_entries SET title = 'forged' WHERE entry_id = ${idOf(0)}`);
    await transaction.execute(sql`DELETE FROM brain_entries WHERE entry_id = ${idOf(1)}`);
    await transaction.execute(sql`UPDATE brain_entries SET entry_id = ${idOf(9)} WHERE entry_id = ${idOf(2)}`);
    expect(await rebuildEntries(transaction)).toEqual({ entries: 3, repaired: 4 });
    expect(await digestEntries(transaction)).toBe(before);
  });
});

test('[L9] seq counts from 1 without gaps, whatever is repeated, refused or rolled back', async () => {
  await inScratch(opened.store, async (transaction) => {
    for (let round = 0; round < 5; round += 1) {
      const batch = [round, round, round + 1, 100 + round].map((id) =>
        changeOf(id, { ...plainContent(id, 'a'), updatedAt: 1 }),
      );
      await appendChanges(transaction, batch);
      const doomed = transaction.transaction(async (inner) => {
        await appendChanges(inner, [changeOf(500, { ...plainContent(5, 'b'), updatedAt: 1 })]);
        await inner.execute(sql`SELECT 1 / 0`);
      });
      await expect(doomed).rejects.toThrow();
    }
    const log = await readWholeLog(transaction);
    expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 11 }, (_, index) => index + 1));
  });
});

test('[L9] a page of the log is in order, and pages end by count and by bytes', async () => {
  await inScratch(opened.store, async (transaction) => {
    const summary = '検'.repeat(10_000); // 30,000 bytes
    const changes = Array.from({ length: 9 }, (_, id) =>
      changeOf(id, { ...plainContent(id, 'a'), summary, updatedAt: 1 }),
    );
    await appendChanges(transaction, changes);
    const sizes = async (limit: number, bytesMax: number): Promise<number[]> => {
      const found: number[] = [];
      let afterSeq = 0;
      for (let page = 0; page < 20; page += 1) {
        const { changes: rows, hasMore } = await readLogPage(transaction, { afterSeq, limit, bytesMax });
        expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => afterSeq + index + 1));
        found.push(rows.length);
        afterSeq += rows.length;
        if (!hasMore) return found;
      }
      throw new Error('the pages do not end');
    };
    expect(await sizes(100, 1e9)).toEqual([9]);
    expect(await sizes(9, 1e9)).toEqual([9]);
    expect(await sizes(4, 1e9)).toEqual([4, 4, 1]);
    expect(await sizes(100, 70_000)).toEqual([2, 2, 2, 2, 1]);
    expect(await sizes(100, 1)).toEqual(Array.from({ length: 9 }, () => 1));
    expect(await readLogPage(transaction, { afterSeq: 9, limit: 5, bytesMax: 9 })).toEqual({
      changes: [],
      hasMore: false,
    });
  });
});

/** The log and the entries as the pure merge makes them. */
class ModelLog {
  readonly log: ChangeRecord[] = [];

  append(batch: NewChange[]): Map<string, MergeOutcome> {
    const outcomes = new Map<string, MergeOutcome>();
    const before = [...this.log];
    for (const change of batch) {
      if (this.log.some(({ changeId }) => changeId === change.changeId)) {
        if (!outcomes.has(change.changeId)) outcomes.set(change.changeId, 'duplicate');
        continue;
      }
      const hash = hashContent(change.entry);
      const isKnown = before.some((known) => isSameVersion(known, change, hash));
      if (change.origin.startsWith('http') && isKnown) {
        if (!outcomes.has(change.changeId)) outcomes.set(change.changeId, 'duplicate');
        continue;
      }
      const outcome = mergeOutcome(this.#winners().get(change.entry.entryId), { ...change.entry, hash });
      this.log.push({ ...change, replaces: [], withdraws: null, seq: this.log.length + 1, hash, outcome });
      outcomes.set(change.changeId, outcome);
    }
    return outcomes;
  }

  entries(): ChangeRecord['entry'][] {
    return [...this.#winners().values()].map(({ change }) => change.entry).toSorted(byId);
  }

  #winners() {
    return materialise(
      this.log.map((change) => ({
        entryId: change.entry.entryId,
        updatedAt: change.entry.updatedAt,
        hash: change.hash,
        change,
      })),
    );
  }
}

function changeOf(number: number, entry: NewChange['entry']): NewChange {
  const changeId = idOf(number, 'cccccccc');
  return { changeId, base: null, replicaId: 'r', receivedAt: 0, origin: 'local', entry };
}

function hashOf(title: string): string {
  return hashContent(plainContent(0, title));
}

async function readWholeLog(database: Database): Promise<ChangeRecord[]> {
  return (await readLogPage(database, { afterSeq: 0, limit: 10_000, bytesMax: 1e9 })).changes;
}

async function readAllEntries(database: Database): Promise<ChangeRecord['entry'][]> {
  const [stray] = await rowsOf<{ n: string }>(
    database,
    sql`SELECT count(*) AS n FROM brain_entries WHERE workspace_id <> 'w'`,
  );
  expect(Number(stray?.n)).toBe(0);
  const entries = await listEntries(database, {
    scope: { workspaceId: 'w', projectId: null },
    filter: { includeInactive: true },
    limit: 10_000,
  });
  return entries.toSorted(byId);
}

function byId(a: { entryId: string }, b: { entryId: string }): number {
  return a.entryId < b.entryId ? -1 : 1;
}

function isSameVersion(known: ChangeRecord, { entry }: NewChange, hash: string): boolean {
  return known.entry.entryId === entry.entryId && known.entry.updatedAt === entry.updatedAt && known.hash === hash;
}
