/** Records per second by one and by sixteen callers through the host, beside SQLite's in one process. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { root, temporaryDirectory } from './measure.mjs';

const { openBrain } = await import(path.join(root, 'dist/index.js'));
const seconds = Number(process.env.SECONDS ?? 4);
const directory = temporaryDirectory();
const draft = {
  title: 'Retries need jitter',
  kind: 'insight',
  conclusion: 'Full jitter ended the stampede.',
  tags: ['net'],
};

async function rate(work) {
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < seconds * 1000) done += await work();
  return done / ((performance.now() - started) / 1000);
}

const brains = [];
try {
  for (let count = 0; count < 16; count += 1)
    brains.push(await openBrain({ directory: path.join(directory, 'brain') }));
  const record = (brain, drafts = [draft]) =>
    brain.run('record', {
      requestId: crypto.randomUUID(),
      scope: { workspaceId: '', projectId: 'bench' },
      agent: 'bench',
      drafts,
    });
  for (let count = 0; count < 200; count += 1) await record(brains[0]);

  const database = new Database(path.join(directory, 'peer.db'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec(`CREATE TABLE entries (id TEXT PRIMARY KEY, title TEXT, conclusion TEXT);
    CREATE VIRTUAL TABLE words USING fts5(title, conclusion, tokenize = 'porter');`);
  const insert = database.transaction(() => {
    database.prepare('INSERT INTO entries VALUES (?, ?, ?)').run(crypto.randomUUID(), draft.title, draft.conclusion);
    database.prepare('INSERT INTO words VALUES (?, ?)').run(draft.title, draft.conclusion);
  });

  const floor = await rate(async () => (insert(), 1));
  const rows = [
    ['SQLite, one caller, in process, synchronous=FULL', floor],
    ['one caller', await rate(async () => (await record(brains[0]), 1))],
    ['sixteen callers', await rate(async () => (await Promise.all(brains.map((brain) => record(brain))), 16))],
    [
      'one caller, 100 entries a request',
      await rate(async () => (await record(brains[0], Array(100).fill(draft)), 100)),
    ],
  ];
  console.log('\nDurable records per second');
  for (const [name, value] of rows)
    console.log(`  ${name.padEnd(50)} ${value.toFixed(0).padStart(7)}   ${(value / floor).toFixed(2)} x`);
  database.close();
} finally {
  for (const brain of brains) await brain.close();
  fs.rmSync(directory, { recursive: true, force: true }); // The host sees it and ends.
}
