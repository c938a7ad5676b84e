/**
 * Finding entries: a query in, ranked entries out. Owns what "relevant" means. A word of the query that an entry lacks
 * lowers its rank and never hides it. Reads only; the words of entries are indexed by the store in the same
 * transaction that writes them.
 */
import { and, desc, eq, sql } from 'drizzle-orm';
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import {
  ENTRY_SELECTION,
  entryCondition,
  listEntries,
  rowToEntry,
  type StoreFilter,
  type StoreScope,
} from '../store/read.ts';
import { brainEntries } from '../store/schema.ts';
import { queryWords, wordForms } from './query-words.ts';

/** Entries whose rank is computed: those that have most of the query's words, the newest first. */
const RANKED_MAX = 500;

export interface RecallQuery {
  scope: StoreScope;
  filter: StoreFilter;
  /** Free text; without any word in it the newest entries are the answer. */
  text: string;
  limit: number;
}

/** An entry with its relevance from 0 to 1. */
export type RankedEntry = Entry & { score: number };

/**
 * The entries that fit `query`, best first. Each word counts by itself, stemmed as English; an entry ranks by how many
 * of the words it has, and by where (title, then conclusion and tags, then summary). Where no word is known to the
 * index, entries that contain one of them as a part are found instead.
 */
export async function recallEntries(database: Database, query: RecallQuery): Promise<RankedEntry[]> {
  const words = queryWords(query.text);
  if (words.length === 0) {
    if (query.text.trim() !== '') return [];
    const newest = await listEntries(database, query);
    return newest.map((entry) => ({ ...entry, score: 0 }));
  }
  const byWords = await searchWords(database, query, words);
  return byWords.length > 0 ? byWords : searchParts(database, query, words);
}

async function searchWords(database: Database, query: RecallQuery, words: string[]): Promise<RankedEntry[]> {
  const perWord = words.map((word) => {
    const forms = wordForms(word).map((form) => sql`plainto_tsquery('pg_catalog.english', ${form})`);
    return sql`(${sql.join(forms, sql` || `)})`;
  });
  const anyWord = sql`(${sql.join(perWord, sql` || `)})`;
  // How many of the words the entry has decides, and is cheap to tell; PostgreSQL's rank (flag 32: rank / (rank + 1),
  // below 1) orders the rest, but takes long, so that only the foremost entries get one.
  const counts = perWord.map((word) => sql`(${brainEntries.search} @@ ${word})::int`);
  const count = sql<number>`(${sql.join(counts, sql` + `)})`.as('word_count');
  const foremost = database.$with('foremost').as(
    database
      .select({ entryId: brainEntries.entryId, count })
      .from(brainEntries)
      .where(and(entryCondition(query.scope, query.filter), sql`${brainEntries.search} @@ ${anyWord}`))
      .orderBy(desc(sql`word_count`), desc(brainEntries.updatedAt))
      .limit(Math.max(query.limit, RANKED_MAX)),
  );
  const rank = sql`ts_rank('{0.1, 0.3, 0.6, 1.0}'::real[], ${brainEntries.search}, ${anyWord}, 1 | 32)::float8`;
  const score = sql<number>`(${foremost.count} + ${rank}) / ${words.length + 1}::float8`.as('score');
  const rows = await database
    .with(foremost)
    .select({ ...ENTRY_SELECTION, score })
    .from(foremost)
    .innerJoin(brainEntries, eq(brainEntries.entryId, foremost.entryId))
    .orderBy(desc(sql`score`), desc(brainEntries.updatedAt), desc(brainEntries.entryId))
    .limit(query.limit);
  return rows.map(toRankedEntry);
}

async function searchParts(database: Database, query: RecallQuery, words: string[]): Promise<RankedEntry[]> {
  const text = sql`lower(concat_ws(' ', ${brainEntries.title}, array_to_string(${brainEntries.tags}, ' '),
    ${brainEntries.conclusion}, ${brainEntries.summary}))`;
  const found = words.map((word) => sql`(position(${word.toLowerCase()} in ${text}) > 0)::int`);
  const count = sql`(${sql.join(found, sql` + `)})`;
  const score = sql<number>`0.25 * ${count}::float8 / ${words.length}`.as('score');
  const rows = await database
    .select({ ...ENTRY_SELECTION, score })
    .from(brainEntries)
    .where(and(entryCondition(query.scope, query.filter), sql`${count} > 0`))
    .orderBy(desc(sql`score`), desc(brainEntries.updatedAt), desc(brainEntries.entryId))
    .limit(query.limit);
  return rows.map(toRankedEntry);
}

function toRankedEntry({ score, ...row }: Parameters<typeof rowToEntry>[0] & { score: number }): RankedEntry {
  return { ...rowToEntry(row), score };
}
