/**
 * Recall's p50 at 1,000, 10,000 and 100,000 entries, what an entry costs to write and to index, and what the index takes on
 * disk, beside SQLite FTS5 (porter, any word, bm25, WAL, synchronous=FULL) in the same run.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import Database from 'better-sqlite3';
import { median, root, temporaryDirectory } from './measure.mjs';

const { openBrain } = await import(path.join(root, 'dist/index.js'));
const sizes = (process.env.SIZES ?? '1000,10000,100000').split(',').map(Number);
const directory = temporaryDirectory();
const BATCH = 500;
const WORDS_OF_VOCABULARY = 20_000;
const scope = { workspaceId: '', projectId: 'bench' };

// A vocabulary in which, as in real text, few words are very common and most are rare (Zipf).
let state = 42;
const random = () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0), state / 2 ** 32);
const word = () => `w${Math.floor(WORDS_OF_VOCABULARY ** random())}x`;
const text = (words) => Array.from({ length: words }, word).join(' ');
const queries = Array.from({ length: 40 }, () => text(4));

const brain = await openBrain({ directory: path.join(directory, 'brain') });
const database = new Database(path.join(directory, 'peer.db'));
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(`CREATE VIRTUAL TABLE words USING fts5(title, conclusion, summary, tokenize = 'porter')`);
const insert = database.prepare('INSERT INTO words VALUES (?, ?, ?)');
try {
  let entries = 0;
  console.log('\nRecall of four words, p50 over 40 queries; writing in batches of 500, on disk when acknowledged');
  for (const size of sizes) {
    const cost = { brain: 0, sqlite: 0, written: 0 };
    while (entries < size) {
      const drafts = Array.from({ length: BATCH }, () => ({ title: text(8), conclusion: text(20), summary: text(30) }));
      let started = performance.now();
      await brain.run('record', { requestId: crypto.randomUUID(), scope, agent: 'bench', drafts });
      cost.brain += performance.now() - started;
      started = performance.now();
      database.transaction(() => drafts.forEach((draft) => insert.run(draft.title, draft.conclusion, draft.summary)))();
      cost.sqlite += performance.now() - started;
      entries += BATCH;
      cost.written += BATCH;
    }
    // What nobody has waited for yet is indexed by the first who asks.
    const asked = performance.now();
    await brain.run('recall', { scope, query: queries[0], limit: 10 });
    const first = performance.now() - asked;
    const times = { brain: [], sqlite: [] };
    const search = database.prepare('SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT 10');
    for (const query of queries) {
      let started = performance.now();
      await brain.run('recall', { scope, query, limit: 10 });
      times.brain.push(performance.now() - started);
      started = performance.now();
      search.all(query.split(' ').join(' OR '));
      times.sqlite.push(performance.now() - started);
    }
    const [ours, peer] = [median(times.brain), median(times.sqlite)];
    console.log(
      `  ${String(size).padStart(7)} entries: ${ours.toFixed(1).padStart(7)} ms through the host, SQLite ${peer.toFixed(1)} ms in process, ${(ours / peer).toFixed(1)} x`,
    );
    const each = (ms) => (ms / Math.max(1, cost.written)).toFixed(3);
    console.log(
      `          an entry written in ${each(cost.brain)} ms, SQLite (indexed at once) ${each(cost.sqlite)} ms; ` +
        `the first question after ${cost.written} took ${(first / 1_000).toFixed(2)} s`,
    );
  }
  await brain.close();
  await printSizes(entries);
} finally {
  await brain.close();
  database.close();
  fs.rmSync(directory, { recursive: true, force: true }); // The host sees it and ends.
}

/** Bytes an entry by table, from the database itself once its host has ended; of SQLite the whole file. */
async function printSizes(entries) {
  execFileSync(process.execPath, [path.join(root, 'dist/sm.cjs'), 'host', 'stop'], {
    env: { ...process.env, STACKMEMORY_HOME: directory },
    stdio: 'ignore',
  });
  const store = await PGlite.create(path.join(directory, 'brain/data'));
  const { rows } = await store.query(
    `SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
     WHERE relkind = 'r' AND relname LIKE 'brain\\_%' ORDER BY bytes DESC`,
  );
  await store.close();
  const size = (names) => rows.filter(({ name }) => names.includes(name)).reduce((sum, { bytes }) => sum + bytes, 0);
  const each = (bytes) => `${Math.round(bytes / entries)} B`;
  database.pragma('wal_checkpoint(TRUNCATE)');
  console.log(
    `  on disk, an entry: index ${each(size(['brain_postings', 'brain_documents', 'brain_segments', 'brain_unindexed']))}, ` +
      `entry ${each(size(['brain_entries']))}, log ${each(size(['brain_changes']))}; ` +
      `SQLite ${each(fs.statSync(path.join(directory, 'peer.db')).size)} in all`,
  );
}
