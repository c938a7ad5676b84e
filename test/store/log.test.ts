/** The log cannot be changed, by any statement. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendChanges } from '../../lib/store/append.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { digestLog, openTestStore, type TestStore } from '../support/stores.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openTestStore();
  await appendChanges(
    opened.store.database,
    [1, 2, 3].map((number) => ({
      changeId: idOf(number, 'cccccccc'),
      base: null,
      replicaId: 'r',
      receivedAt: 0,
      origin: 'local',
      entry: { ...plainContent(1, `version ${number}`), updatedAt: number },
    })),
  );
});
afterAll(() => opened.dispose());

test.each([
  `UPDATE brain_changes SET content = 'x'`,
  `UPDATE brain_changes SET seq = seq + 10 WHERE seq = 2`,
  `DELETE FROM brain_changes`,
  `DELETE FROM brain_changes WHERE seq = 3`,
  `TRUNCATE brain_changes`,
  `TRUNCATE brain_changes CASCADE`,
  `WITH gone AS (DELETE FROM brain_changes RETURNING 1) SELECT count(*) FROM gone`,
  `INSERT INTO brain_changes SELECT * FROM brain_changes ON CONFLICT (seq) DO UPDATE SET content = 'x'`,
  `MERGE INTO brain_changes c USING (VALUES (1)) AS v (seq) ON c.seq = v.seq WHEN MATCHED THEN DELETE`,
])('[L1] the database refuses: %s', async (statement) => {
  const before = await digestLog(opened.store.database);
  await expect(opened.store.client.exec(statement)).rejects.toThrow(/append-only/);
  expect(await digestLog(opened.store.database)).toBe(before);
});

test('[L1] every version is there, the one that lost as well as the one that won', async () => {
  const { rows } = await opened.store.client.query(`SELECT updated_at, outcome FROM brain_changes ORDER BY seq`);
  expect(rows).toEqual([1, 2, 3].map((time) => ({ updated_at: time, outcome: 'applied' })));
  const { rows: current } = await opened.store.client.query(`SELECT title FROM brain_entries`);
  expect(current).toEqual([{ title: 'version 3' }]);
});

test('[L1] a change id is there once', async () => {
  const { rows } = await opened.store.client.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_indexes WHERE tablename = 'brain_changes' AND indexdef LIKE 'CREATE UNIQUE%(change_id)'`,
  );
  expect(rows).toEqual([{ n: 1 }]);
});
