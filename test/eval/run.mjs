/**
 * `npm run eval [--cli]`: how well recall finds, measured on real records with labelled queries (README.md here), beside
 * SQLite FTS5 in the same run. R@5: the share of the right entries among the first five; nDCG@10: with those further up
 * counting more. Then what is kept and what is refused by the threshold of relevance.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { RELEVANT_MIN } from '../../lib/recall/relevance.ts';
import { embedEntries } from './embedded.mjs';
import { measureWarnings } from './warnings.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = path.join(here, '../..');
const { openBrain } = await import(path.join(root, 'dist/index.js'));
const BATCH = 500;
const RESULTS = 50;
/** Each query by the command line is a process. */
const CLI_QUERIES = 60;
const scope = { workspaceId: '', projectId: 'eval' };
/** `--embeddings=<address up to /v1>,<model>`: measures with vectors of that model, too. */
const [EMBEDDINGS] = process.argv.flatMap((word) => {
  const [, url, model] = /^--embeddings=(.+),([^,]+)$/.exec(word) ?? [];
  return url === undefined ? [] : [{ url, model }];
});

const sets = { adr: load('adr'), beads: load('beads') };
const trials = [
  { name: 'adr, cross-references and commits', set: sets.adr, types: ['xref', 'commit'] },
  { name: 'adr, its title removed', set: withoutTitles(sets.adr), types: ['known-item'] },
  { name: 'beads', set: sets.beads },
];
const Database = await sqlite();
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-eval-'));
try {
  for (const { name, set, types } of trials) {
    const queries = set.queries.filter(({ type }) => types === undefined || types.includes(type));
    console.log(`\n${name}: ${set.entries.length} entries, ${queries.length} queries   R@5 / nDCG@10`);
    for (const [method, make] of methods(queries)) {
      const found = await make(set.entries);
      const scores = [];
      for (const query of found.sample === undefined ? queries : every(queries, found.sample)) {
        const ids = (await found.search(query.query, {}, query.exclude)).filter((id) => !query.exclude?.includes(id));
        scores.push(measure(ids, query.gold));
      }
      await found.close();
      const mean = (key) => ((100 * scores.reduce((sum, each) => sum + each[key], 0)) / scores.length).toFixed(1);
      console.log(
        `  ${method.padEnd(44)} ${mean('recall')} / ${mean('ndcg')}${found.sample ? `   (${scores.length} queries)` : ''}`,
      );
    }
  }
  console.log('\nAnswers that are kept and questions that are refused');
  await abstention('adr', sets.adr, 'beads', sets.beads);
  await abstention('beads', sets.beads, 'adr', sets.adr);
  if (EMBEDDINGS !== undefined) {
    console.log('  with embeddings:');
    await abstention('adr', sets.adr, 'beads', sets.beads, EMBEDDINGS);
    await abstention('beads', sets.beads, 'adr', sets.adr, EMBEDDINGS);
  }
  await measureWarnings((entries) => library(entries, {}), sets.beads.entries);
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}

function methods(queries) {
  const all = [];
  if (Database !== undefined) {
    all.push(['SQLite FTS5, all words required', (entries) => fts(entries, ' ')]);
    all.push(['SQLite FTS5 porter, any word, bm25()', (entries) => fts(entries, ' OR ')]);
  }
  all.push(['recall', (entries) => library(entries, {})]);
  if (queries.some(({ exclude }) => exclude !== undefined)) {
    all.push(['recall, where its own entry tells nothing', async (entries) => untold(await library(entries, {}))]);
  }
  all.push(['recall, the nearest misses too', (entries) => library(entries, { isLoose: true })]);
  if (EMBEDDINGS !== undefined) {
    all.push(['recall, with embeddings', (entries) => library(entries, {}, EMBEDDINGS)]);
    all.push([
      'recall, with embeddings, the nearest misses',
      (entries) => library(entries, { isLoose: true }, EMBEDDINGS),
    ]);
  }
  if (process.argv.includes('--cli')) all.push(['sm brain recall', commandLine]);
  return all;
}

async function library(entries, options, embeddings) {
  const brain = await openBrain({ directory: path.join(directory, crypto.randomUUID()), host: false });
  for (let from = 0; from < entries.length; from += BATCH) {
    await brain.run('import', { origin: 'import:eval', changes: entries.slice(from, from + BATCH).map(toChange) });
  }
  const meaningOf = embeddings === undefined ? async () => ({}) : await embedEntries(brain, embeddings);
  const recall = async (request) =>
    brain.run('recall', { scope, limit: RESULTS, ...options, ...request, ...(await meaningOf(request.query)) });
  const search = async (query, more = {}) => (await recall({ query: query.slice(0, 4_096), ...more })).map(idOf);
  return { recall, search, close: () => brain.close() };
}

/** Many questions are out of an entry: that this entry is there too does not make an answer relevant. */
function untold({ recall, close }) {
  const search = async (query, _, exclude = []) => {
    const hits = await recall({ query: query.slice(0, 4_096) });
    const isAnswer = (hit) => hit.reasons.relevance >= RELEVANT_MIN && !exclude.includes(idOf(hit));
    return hits.some(isAnswer) ? hits.map(idOf) : [];
  };
  return { search, close };
}

async function commandLine(entries) {
  const home = fs.mkdtempSync(path.join(directory, 'home-'));
  const env = { ...process.env, STACKMEMORY_HOME: home };
  const file = path.join(home, 'entries.jsonl');
  const lines = entries.map(({ id, title, summary, conclusion, kind, agent, tags, refs, confidence, created_at }) =>
    JSON.stringify({
      ...{ agent: agent || 'eval', kind, title: title || '(untitled)', summary, conclusion, tags, confidence },
      refs: [...(refs ?? []), `eval:${id}`],
      created_at,
    }),
  );
  fs.writeFileSync(file, lines.join('\n'));
  const sm = (...args) =>
    execFileSync(process.execPath, [path.join(root, 'dist/sm.cjs'), ...args], { env, cwd: home, maxBuffer: 1e8 });
  sm('brain', 'import', file, '--json');
  return {
    sample: CLI_QUERIES,
    search: async (query) =>
      JSON.parse(
        String(sm('brain', 'recall', '--org', '--all', '--limit', String(RESULTS), '--json', '--', query)),
      ).map(idOf),
    close: async () => sm('host', 'stop'),
  };
}

function fts(entries, joiner) {
  const database = new Database(':memory:');
  database.exec(`CREATE VIRTUAL TABLE words USING fts5(title, conclusion, summary, tags, tokenize = 'porter')`);
  const insert = database.prepare('INSERT INTO words VALUES (?, ?, ?, ?)');
  for (const { title, conclusion, summary, tags } of entries)
    insert.run(title, conclusion ?? '', summary ?? '', (tags ?? []).join(' '));
  const select = database.prepare('SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT ?');
  return {
    search: (query) => {
      const words = [...new Set(query.match(/[\p{L}\p{N}]+/gu) ?? [])].map((word) => `"${word}"`);
      if (words.length === 0) return [];
      return select.all(words.join(joiner), RESULTS).map(({ rowid }) => entries[rowid - 1].id);
    },
    close: () => database.close(),
  };
}

/** Of its own questions, the right first answers that stay; of another set's, those that get none. */
async function abstention(name, own, otherName, other, embeddings) {
  const strict = await library(own.entries, {}, embeddings);
  let right = 0;
  let kept = 0;
  for (const { query, gold, exclude } of own.queries) {
    const first = async (options) => (await strict.search(query, options)).find((id) => !exclude?.includes(id)) ?? '';
    if ((await first({ isLoose: true })) in gold) right += 1;
    if ((await first()) in gold) kept += 1;
  }
  let refused = 0;
  for (const { query } of other.queries) if ((await strict.search(query)).length === 0) refused += 1;
  await strict.close();
  const percent = (part, all) => `${((100 * part) / all).toFixed(1)} %`;
  console.log(
    `  ${name}: of ${right} right first answers ${percent(kept, right)} are kept; of ${other.queries.length} questions of ${otherName} ${percent(refused, other.queries.length)} are refused`,
  );
}

function measure(ids, gold) {
  const first = ids.slice(0, 5).filter((id) => id in gold).length;
  const gains = ids.slice(0, 10).map((id, index) => (gold[id] ?? 0) / Math.log2(index + 2));
  const best = Object.values(gold)
    .toSorted((a, b) => b - a)
    .slice(0, 10);
  const ideal = best.map((rel, index) => rel / Math.log2(index + 2));
  const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
  return { recall: first / Object.keys(gold).length, ndcg: sum(gains) / sum(ideal) };
}

function toChange({ id, title, summary, conclusion, kind, agent, tags, refs, confidence, created_at: createdAt }) {
  const time = Date.parse(createdAt) || Date.UTC(2025, 0, 1);
  return {
    changeId: crypto.randomUUID(),
    base: null,
    replicaId: 'eval',
    entry: {
      ...{ entryId: crypto.randomUUID(), ...scope, agent: agent || 'eval', kind, title: title || '(untitled)' },
      ...{
        summary: summary ?? '',
        conclusion: conclusion ?? '',
        tags: tags ?? [],
        refs: [...(refs ?? []), `eval:${id}`],
      },
      ...{ confidence: confidence ?? 0.8, status: 'active', createdAt: time, updatedAt: time },
    },
  };
}

function idOf({ refs }) {
  return refs.find((ref) => ref.startsWith('eval:')).slice('eval:'.length);
}

function load(name) {
  return JSON.parse(String(zlib.gunzipSync(fs.readFileSync(path.join(here, 'sets', `${name}.json.gz`)))));
}

function withoutTitles(set) {
  return { ...set, entries: set.entries.map((entry) => ({ ...entry, title: '' })) };
}

function every(items, wanted) {
  const step = Math.max(1, items.length / wanted);
  return Array.from({ length: Math.min(items.length, wanted) }, (_, index) => items[Math.floor(index * step)]);
}

/** The peer of test/bench, where it is installed. */
async function sqlite() {
  try {
    return (await import(path.join(root, 'test/bench/node_modules/better-sqlite3/lib/index.js'))).default;
  } catch {
    console.log('Without SQLite to compare with: "npm run bench recall" installs it.');
    return undefined;
  }
}
