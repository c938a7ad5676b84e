/** Recall's p50 at 1,000, 10,000 and 100,000 entries, beside SQLite FTS5 (porter, any word, bm25) in the same run. */
import fs from 'node:fs';
import path from 'node:path';
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
database.exec(`CREATE VIRTUAL TABLE words USING fts5(title, conclusion, summary, tokenize = 'porter')`);
const insert = database.prepare('INSERT INTO words VALUES (?, ?, ?)');
try {
  let entries = 0;
  console.log('\nRecall of four words, p50 over 40 queries');
  for (const size of sizes) {
    while (entries < size) {
      const drafts = Array.from({ length: BATCH }, () => ({ title: text(8), conclusion: text(20), summary: text(30) }));
      await brain.run('record', { requestId: crypto.randomUUID(), scope, agent: 'bench', drafts });
      database.transaction(() => drafts.forEach((draft) => insert.run(draft.title, draft.conclusion, draft.summary)))();
      entries += BATCH;
    }
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
  }
} finally {
  await brain.close();
  database.close();
  fs.rmSync(directory, { recursive: true, force: true }); // The host sees it and ends.
}
