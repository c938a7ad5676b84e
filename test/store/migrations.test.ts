/** Migrations: cut off anywhere they leave the schema as it was, they run once, and they make what the code expects. */
import fs from 'node:fs';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { getTableConfig } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendChanges } from '../../lib/store/append.ts';
import { assetPath } from '../../lib/store/assets.ts';
import {
  brainChanges,
  brainDocuments,
  brainEntries,
  brainMeta,
  brainPostings,
  brainSegments,
  brainSyncCursors,
  brainSyncMeta,
  brainSyncRefusals,
  brainUnindexed,
  brainVectors,
} from '../../lib/store/schema.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { StoreChildren } from '../support/store-children.ts';
import { makeDirectory, openTestStore, removeDirectory } from '../support/stores.ts';

/** By name. */
const TABLES = [
  brainChanges,
  brainDocuments,
  brainEntries,
  brainMeta,
  brainPostings,
  brainSegments,
  brainSyncCursors,
  brainSyncMeta,
  brainSyncRefusals,
  brainUnindexed,
  brainVectors,
];
/** Migrations that the project has; the tests add one. */
const SHIPPED = (
  JSON.parse(fs.readFileSync(assetPath('migrations/meta/_journal.json'), 'utf8')) as { entries: unknown[] }
).entries.length;
const ROWS = 10_000;
/** More than fits into PostgreSQL's buffers, so that half of it is on the disk before the commit. */
const EXTRA = [
  `CREATE TABLE extra (id integer PRIMARY KEY, filler text NOT NULL)`,
  `INSERT INTO extra SELECT n, repeat(md5(n::text), 58) FROM generate_series(1, ${ROWS}) AS n`,
  `ALTER TABLE brain_entries ADD COLUMN mood text`,
  `UPDATE brain_entries SET mood = 'good'`,
];

let children: StoreChildren;
const made: string[] = [];
beforeAll(async () => {
  children = await StoreChildren.bundle();
});
afterAll(() => {
  children.dispose();
  for (const directory of made) removeDirectory(directory);
});

test('[L8] a migration that is killed, at any statement and again and again, is whole in the end and has run once', async () => {
  setExtraMigration(EXTRA);
  const { steps, migrationsRun } = children.run('open', await makeBrain());
  expect(migrationsRun).toBe(1);
  const directory = await makeBrain();
  const kills = Array.from({ length: 5 }, (_, n) => Math.ceil(((n + 1) / 6) * steps));
  for (const killAt of kills) expect(children.run('open', directory, killAt).wasKilled).toBe(true);
  children.run('open', directory);
  expect(children.run('open', directory).migrationsRun).toBe(0);
  expect(await look(directory)).toEqual({
    migrations: SHIPPED + 1,
    extra: ROWS,
    entries: [{ title: 'kept', mood: 'good' }],
  });
});

test('[L8] a migration whose second half fails leaves the schema as it was, and can be mended', async () => {
  const directory = await makeBrain();
  setExtraMigration([...EXTRA, 'SELECT 1 / 0']);
  expect(() => children.run('open', directory)).toThrow(/division by zero/);
  const { store } = await openTestStore(directory); // The version before it opens the brain as if nothing had been.
  expect((await store.client.query(`SELECT to_regclass('extra') AS extra`)).rows).toEqual([{ extra: null }]);
  expect((await store.client.query(`SELECT title FROM brain_entries`)).rows).toEqual([{ title: 'kept' }]);
  await store.close();
  setExtraMigration(EXTRA);
  expect(children.run('open', directory).migrationsRun).toBe(1);
  expect(await look(directory)).toMatchObject({ migrations: SHIPPED + 1, extra: ROWS });
});

test('[L8] a new brain needs no migration: the template has them', async () => {
  const { store, dispose } = await openTestStore();
  expect(store.migrationsRun).toBe(0);
  await dispose();
});

test('[L8] the schema in code is the schema in the database', async () => {
  const { store, dispose } = await openTestStore();
  for (const table of TABLES) {
    const { name, columns, primaryKeys } = getTableConfig(table);
    const keys = primaryKeys.flatMap((key) => key.columns.map((column) => column.name));
    const expected = columns.map((column) => ({
      column: column.name,
      type: column.getSQLType(),
      nullable: column.notNull ? 'NO' : 'YES',
      key: column.primary || keys.includes(column.name),
    }));
    const { rows } = await store.client.query(
      `SELECT a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
         CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS nullable, coalesce(a.attnum = ANY (i.indkey), false) AS key
       FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
       WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
      [name],
    );
    expect(rows, name).toEqual(expected);
    for (const { name: column, enumValues = [] } of columns) {
      const { rows: checks } = await store.client.query<{ definition: string }>(
        `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
         WHERE conrelid = $1::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%' || $2 || ' = ANY%'`,
        [name, column],
      );
      const allowed = checks.flatMap(({ definition }) => [...definition.matchAll(/'(\w+)'/g)].map((match) => match[1]));
      expect(allowed, `${name}.${column}`).toEqual(enumValues);
    }
  }
  const { rows: tables } = await store.client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  );
  expect(tables.map(({ name }) => name)).toEqual(TABLES.map((table) => getTableConfig(table).name));
  await dispose();
});

/** A closed brain with one entry. */
async function makeBrain(): Promise<string> {
  const directory = makeDirectory();
  made.push(directory);
  const { store } = await openTestStore(directory);
  await appendChanges(store.database, [
    {
      changeId: idOf(1, 'cccccccc'),
      base: null,
      replicaId: 'r',
      receivedAt: 0,
      origin: 'local',
      entry: { ...plainContent(1, 'kept'), updatedAt: 1 },
    },
  ]);
  await store.close();
  return directory;
}

function setExtraMigration(statements: string[]): void {
  const journalFile = path.join(children.migrationsDirectory, 'meta/_journal.json');
  const journal = JSON.parse(fs.readFileSync(journalFile, 'utf8')) as { entries: Record<string, unknown>[] };
  const tag = '9999_extra';
  const entries = journal.entries.filter((entry) => entry['tag'] !== tag);
  entries.push({ ...entries.at(-1), idx: entries.length, when: 4_000_000_000_000, tag });
  fs.writeFileSync(journalFile, JSON.stringify({ ...journal, entries }));
  const text = statements.join(';\n--> statement-breakpoint\n');
  fs.writeFileSync(path.join(children.migrationsDirectory, `${tag}.sql`), `${text};\n`);
}

/** What a bare PostgreSQL sees; the project's own opening would refuse what it takes for a newer version's. */
async function look(directory: string): Promise<Record<string, unknown>> {
  const database = await PGlite.create(path.join(directory, 'data'));
  const count = async (table: string): Promise<number> =>
    (await database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]?.n ?? -1;
  const seen = {
    migrations: await count('drizzle.__drizzle_migrations'),
    extra: await count('extra'),
    entries: (await database.query('SELECT title, mood FROM brain_entries')).rows,
  };
  await database.close();
  return seen;
}
