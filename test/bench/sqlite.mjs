/** The peer: the same job on better-sqlite3 with synchronous=FULL. Usage: node sqlite.mjs <file> record|recall */
import Database from 'better-sqlite3';

const [file, job] = process.argv.slice(2);
const database = new Database(file);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(`
  CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, title TEXT, summary TEXT, conclusion TEXT, tags TEXT, updated_at INTEGER);
  CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(title, summary, conclusion, tags, tokenize = 'porter');`);
if (job === 'record') {
  const id = crypto.randomUUID();
  database.transaction(() => {
    database
      .prepare('INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)')
      .run(id, 'Retries need jitter', '', 'Full jitter ended it.', 'net', Date.now());
    database
      .prepare('INSERT INTO words VALUES (?, ?, ?, ?)')
      .run('Retries need jitter', '', 'Full jitter ended it.', 'net');
  })();
  console.log(id);
} else {
  console.log(
    JSON.stringify(
      database.prepare('SELECT * FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT 10').all('jitter OR retry'),
    ),
  );
}
