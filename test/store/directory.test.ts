/** Directories that are not to be opened are refused with what to do, and nothing in them is touched. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ErrorCode } from '../../lib/core/errors.ts';
import { appendChanges } from '../../lib/store/append.ts';
import { checkDataDirectory, ensureDataDirectory, MARKER_FILE } from '../../lib/store/data-directory.ts';
import { openPgliteStore } from '../../lib/store/pglite.ts';
import { plainContent } from '../support/arbitraries.ts';
import { idOf } from '../support/ids.ts';
import { makeDirectory, openTestStore, removeDirectory } from '../support/stores.ts';
import { hashTree } from '../support/tree-hash.ts';

let sound: string;
beforeAll(async () => {
  const { store, directory } = await openTestStore();
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
  sound = directory;
});
afterAll(() => removeDirectory(sound));

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) removeDirectory(directory);
});

const marker = (fields: object): string =>
  JSON.stringify({ product: 'stackmemory', dataFormat: 1, postgresMajor: 18, ...fields });

interface Refusal {
  what: string;
  code: ErrorCode;
  hint: RegExp;
  /** Spoils the data directory. */
  spoil: (data: string) => void;
}

const write = (name: string, content: string) => (data: string) => fs.writeFileSync(path.join(data, name), content);
const remove = (name: string) => (data: string) => fs.rmSync(path.join(data, name), { recursive: true });
const truncate = (name: string, bytes: number) => (data: string) => fs.truncateSync(path.join(data, name), bytes);
const replaceAll = (data: string): void => {
  fs.rmSync(data, { recursive: true });
  fs.mkdirSync(data);
};

/** Few files, copied in no time; whoever opened this would change it. */
const SMALL_PART =
  /^(data(\/(global|base|pg_wal|pg_xact|base\/\d+|.*(PG_VERSION|pg_control|filenode.map|conf|json)))?)?$/;

const REFUSALS: Refusal[] = [
  {
    what: "somebody's photographs",
    code: 'store_foreign',
    hint: /Move it away/,
    spoil: (data) => {
      replaceAll(data);
      fs.writeFileSync(path.join(data, 'holiday.jpg'), 'a picture');
    },
  },
  { what: "another program's PostgreSQL", code: 'store_foreign', hint: /Move it away/, spoil: remove(MARKER_FILE) },
  { what: 'an empty marker', code: 'store_foreign', hint: /Move it away/, spoil: write(MARKER_FILE, '') },
  { what: 'half a marker', code: 'store_foreign', hint: /Move it away/, spoil: write(MARKER_FILE, '{"product":"sta') },
  { what: 'a marker of null', code: 'store_foreign', hint: /Move it away/, spoil: write(MARKER_FILE, 'null') },
  {
    what: "another product's marker",
    code: 'store_foreign',
    hint: /Move it away/,
    spoil: write(MARKER_FILE, marker({ product: 'other' })),
  },
  {
    what: 'a marker that is a directory',
    code: 'store_foreign',
    hint: /Move it away/,
    spoil: (data) => {
      fs.rmSync(path.join(data, MARKER_FILE));
      fs.mkdirSync(path.join(data, MARKER_FILE));
    },
  },
  {
    what: 'a newer data format',
    code: 'store_newer',
    hint: /Upgrade/,
    spoil: write(MARKER_FILE, marker({ dataFormat: 2 })),
  },
  {
    what: 'a newer PostgreSQL',
    code: 'store_newer',
    hint: /Upgrade/,
    spoil: write(MARKER_FILE, marker({ postgresMajor: 19 })),
  },
  {
    what: 'an older PostgreSQL',
    code: 'store_older',
    hint: /sm brain export/,
    spoil: write(MARKER_FILE, marker({ postgresMajor: 17 })),
  },
  { what: 'a marker without a database', code: 'store_damaged', hint: /backup/, spoil: remove('PG_VERSION') },
  { what: 'a missing pg_xact', code: 'store_damaged', hint: /backup/, spoil: remove('pg_xact') },
  { what: 'an empty PG_VERSION', code: 'store_damaged', hint: /backup/, spoil: write('PG_VERSION', '') },
  { what: 'another PG_VERSION', code: 'store_damaged', hint: /backup/, spoil: write('PG_VERSION', '17\n') },
  {
    what: 'only a marker',
    code: 'store_damaged',
    hint: /backup/,
    spoil: (data) => {
      replaceAll(data);
      write(MARKER_FILE, marker({}))(data);
    },
  },
  { what: 'a truncated pg_control', code: 'store_damaged', hint: /backup/, spoil: truncate('global/pg_control', 100) },
  { what: 'an empty pg_control', code: 'store_damaged', hint: /backup/, spoil: truncate('global/pg_control', 0) },
  { what: 'a missing pg_control', code: 'store_damaged', hint: /backup/, spoil: remove('global/pg_control') },
  { what: 'a missing base', code: 'store_damaged', hint: /backup/, spoil: remove('base') },
  { what: 'a missing pg_filenode.map', code: 'store_damaged', hint: /backup/, spoil: remove('global/pg_filenode.map') },
  { what: 'a missing WAL', code: 'store_damaged', hint: /backup/, spoil: remove('pg_wal') },
];

test.each(REFUSALS)('[L7] $what: $code, with the remedy, and nothing is changed', async ({ code, hint, spoil }) => {
  const directory = copyOfSound(SMALL_PART);
  expect(() => checkDataDirectory(path.join(directory, 'data'))).not.toThrow();
  spoil(path.join(directory, 'data'));
  const before = hashTree(directory);
  await expectRefusal(directory, code, hint);
  expect(hashTree(directory)).toEqual(before);
});

test.each([
  [
    'zeroes in pg_control',
    (data: string) => fs.writeFileSync(path.join(data, 'global/pg_control'), Buffer.alloc(8_192)),
  ],
  ['zeroes in the WAL', (data: string) => fillWal(data)],
])('[L7] %s: damage that PostgreSQL finds is refused, and no table or log is changed', async (_what, spoil) => {
  const directory = copyOfSound();
  spoil(path.join(directory, 'data'));
  const before = hashTree(directory);
  await expectRefusal(directory, 'store_damaged', /backup/);
  // What every start writes anew, and what it caches.
  const { 'data/postmaster.pid': _, ...after } = hashTree(directory);
  expect(after).toEqual(before);
});

test.each(['a file', 'a link to a file'])('[L7] %s in the place of the data directory is left alone', async (what) => {
  const directory = makeDirectory();
  made.push(directory);
  fs.writeFileSync(path.join(directory, 'precious'), 'x');
  if (what === 'a file') fs.renameSync(path.join(directory, 'precious'), path.join(directory, 'data'));
  else fs.symlinkSync('precious', path.join(directory, 'data'));
  const before = hashTree(directory);
  await expectRefusal(directory, 'store_foreign', /in the way/);
  expect(hashTree(directory)).toEqual(before);
});

test.each(['the data', 'nothing'])('[L7] a link to %s in the place of the data directory is refused', async (what) => {
  const directory = copyOfSound(what === 'nothing' ? /^$/ : /(?:)/);
  const data = path.join(directory, 'data');
  if (what === 'the data') fs.renameSync(data, path.join(directory, 'elsewhere'));
  fs.symlinkSync('elsewhere', data);
  const before = hashTree(directory);
  await expectRefusal(directory, 'store_foreign', /symbolic link.*link or mount all of/);
  expect(hashTree(directory)).toEqual(before);
});

test('[L7] what PGlite throws that is no error is told by its name and number', async () => {
  const directory = copyOfSound();
  const link = path.join(directory, 'link');
  fs.symlinkSync('data', link);
  const error: unknown = await openPgliteStore(link).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'store_damaged', message: expect.stringMatching(/ErrnoError.*errno \d+/) });
});

test.each(['', MARKER_FILE])('[L7] a data directory whose "%s" may not be read is no new brain', async (name) => {
  const directory = copyOfSound();
  const item = path.join(directory, 'data', name);
  fs.chmodSync(directory, 0o755);
  if (name !== '') fs.chmodSync(path.dirname(item), 0o755);
  const before = hashTree(directory);
  const mode = fs.statSync(item).mode;
  fs.chmodSync(item, 0);
  await asOrdinaryUser(() => expectRefusal(directory, 'no_permission', /chown/));
  fs.chmodSync(item, mode);
  expect(hashTree(directory)).toEqual(before);
});

test('[L7] a database with a newer migration is refused, and what is in it stays', async () => {
  const directory = copyOfSound();
  const data = path.join(directory, 'data');
  await withStore(data, `INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('x', 9999999999999)`);
  await expectRefusal(directory, 'store_newer', /Upgrade/);
  await expectRefusal(directory, 'store_newer', /Upgrade/);
  // The version that wrote it finds everything as it was.
  const { PGlite } = await import('@electric-sql/pglite');
  const newer = await PGlite.create(data);
  expect((await newer.query('SELECT title FROM brain_entries')).rows).toEqual([{ title: 'kept' }]);
  await newer.exec(`DELETE FROM drizzle.__drizzle_migrations WHERE hash = 'x'`);
  await newer.close();
  await expectOpens(directory);
});

test('[L7] the copy that the refusals are made of opens', async () => {
  await expectOpens(copyOfSound());
});

function fillWal(data: string): void {
  const wal = path.join(data, 'pg_wal');
  for (const name of fs.readdirSync(wal).filter((file) => /^[0-9A-F]{24}$/.test(file))) {
    fs.writeFileSync(path.join(wal, name), Buffer.alloc(1024 * 1024));
  }
}

/** A copy of the sound brain, or of so much of it as can be told from one. */
function copyOfSound(part = /(?:)/): string {
  const directory = makeDirectory();
  made.push(directory);
  fs.cpSync(sound, directory, { recursive: true, filter: (item) => part.test(path.relative(sound, item)) });
  return directory;
}

async function open(directory: string): Promise<void> {
  const { dataDirectory } = await ensureDataDirectory(directory);
  const store = await openPgliteStore(dataDirectory);
  await store.close();
}

async function expectRefusal(directory: string, code: ErrorCode, remedy: RegExp): Promise<void> {
  const error: unknown = await open(directory).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'SmError', code });
  const { message, hint } = error as { message: string; hint: string };
  expect(`${message} ${hint}`).toMatch(remedy);
}

async function expectOpens(directory: string): Promise<void> {
  const { store } = await openTestStore(directory);
  expect((await store.client.query('SELECT title FROM brain_entries')).rows).toEqual([{ title: 'kept' }]);
  await store.close();
}

async function withStore(data: string, statement: string): Promise<void> {
  const store = await openPgliteStore(data);
  await store.client.exec(statement);
  await store.close();
}

/** Root may read everything: there the act is done as nobody. */
async function asOrdinaryUser(act: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await act();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
