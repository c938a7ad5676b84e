/** Verification finds what it must, each by itself, and says where. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendChanges } from '../../lib/store/append.ts';
import { openPgliteStore } from '../../lib/store/pglite.ts';
import { type StoreVerification, verifyStore } from '../../lib/store/verify.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { inScratch, openTestStore, removeDirectory, type TestStore } from '../support/stores.ts';

const ENTRIES = 300;
const SOUND: StoreVerification = {
  changes: ENTRIES,
  entries: ENTRIES,
  badHashes: [],
  mismatches: [],
  structureErrors: [],
  isSound: true,
};

let opened: TestStore;
beforeAll(async () => {
  opened = await makeStore();
});
afterAll(() => opened.dispose());

/** A forgery, as root of the database may do it, and what is to be found. */
const FORGERIES: [what: string, statement: string, found: Partial<StoreVerification>][] = [
  [
    'a changed content in the log',
    `UPDATE brain_changes SET content = replace(content, 'number 7 ', 'forged ') WHERE seq = 7`,
    { badHashes: [idOf(7, 'cccccccc')], mismatches: [idOf(7)] },
  ],
  [
    'a changed hash in the log',
    `UPDATE brain_changes SET hash = repeat('0', 64) WHERE seq = 7`,
    {
      badHashes: [idOf(7, 'cccccccc')],
      mismatches: [idOf(7)],
    },
  ],
  ['a changed time in the log', `UPDATE brain_changes SET updated_at = 99 WHERE seq = 7`, { mismatches: [idOf(7)] }],
  [
    'a changed entry',
    `UPDATE brain_entries SET title = 'forged' WHERE entry_id = '${idOf(9)}'`,
    { mismatches: [idOf(9)] },
  ],
  ['a changed tag', `UPDATE brain_entries SET tags = '{x,y}' WHERE entry_id = '${idOf(9)}'`, { mismatches: [idOf(9)] }],
  [
    'a missing entry',
    `DELETE FROM brain_entries WHERE entry_id = '${idOf(10)}'`,
    {
      mismatches: [idOf(10)],
      entries: ENTRIES - 1,
    },
  ],
  [
    'an entry that no change explains',
    `UPDATE brain_entries SET entry_id = '${idOf(5_000)}' WHERE entry_id = '${idOf(11)}'`,
    { mismatches: [idOf(11), idOf(5_000)] },
  ],
  [
    'a change that is gone from the middle',
    `DELETE FROM brain_changes WHERE seq = 12`,
    {
      changes: ENTRIES - 1,
      mismatches: [idOf(12)],
      structureErrors: [`the log has ${ENTRIES - 1} changes but counts to ${ENTRIES}`],
    },
  ],
];

test.each(FORGERIES)('[L10] verification finds %s', async (_what, statement, found) => {
  await inScratch(opened.store, async (transaction) => {
    await transaction.execute(`ALTER TABLE brain_changes DISABLE TRIGGER USER`);
    await transaction.execute(statement);
    expect(await verifyStore(transaction)).toEqual({ ...SOUND, isSound: false, ...found });
  });
});

test('[L10] a sound store is found sound, also after all the forgeries were undone', async () => {
  expect(await verifyStore(opened.store.database)).toEqual(SOUND);
});

test.each(['brain_changes_pkey', 'brain_entries_by_time', 'brain_entries_by_scope'])(
  '[L10] an index whose file was changed is found: %s',
  async (index) => {
    const { store, directory, dataDirectory } = await makeStore();
    const { rows } = await store.client.query<{ file: string }>(`SELECT pg_relation_filepath($1::regclass) AS file`, [
      index,
    ]);
    await store.close();
    spoilPages(path.join(dataDirectory, rows[0]?.file ?? ''));
    const again = await openPgliteStore(dataDirectory);
    const report = await verifyStore(again.database);
    expect(report.isSound).toBe(false);
    expect(report.structureErrors.join('\n')).toContain(index);
    expect(report).toMatchObject({ badHashes: [], mismatches: [] });
    await again.close();
    removeDirectory(directory);
  },
);

/** Turns the order of an index's items around on every page but the first, which describes the others. */
function spoilPages(file: string): void {
  const PAGE_BYTES = 8_192;
  const HEADER_BYTES = 24;
  const bytes = fs.readFileSync(file);
  for (let page = PAGE_BYTES; page < bytes.length; page += PAGE_BYTES) {
    // The items' places are 4 bytes each, from the header up to the offset that the header has at byte 12.
    const itemsEnd = page + bytes.readUInt16LE(page + 12);
    const items = bytes.subarray(page + HEADER_BYTES, itemsEnd);
    if (items.length < 12) continue;
    const turned = Buffer.from(items);
    for (let at = 4; at < items.length; at += 4) items.copy(turned, items.length - at, at, at + 4);
    turned.copy(bytes, page + HEADER_BYTES);
  }
  fs.writeFileSync(file, bytes);
}

async function makeStore(): Promise<TestStore> {
  const made = await openTestStore();
  await appendChanges(
    made.store.database,
    Array.from({ length: ENTRIES }, (_, index) => ({
      changeId: idOf(index + 1, 'cccccccc'),
      base: null,
      replicaId: 'r',
      receivedAt: 0,
      origin: 'local',
      entry: { ...plainContent(index + 1, `number ${index + 1} word${index % 50}`), updatedAt: index },
    })),
  );
  return made;
}
