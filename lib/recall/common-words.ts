/**
 * Questions of nothing but words that are too common to be indexed ("to be or not to be"): titles that say just that. Reads
 * every title of the scope, which is little text; everything else is asked of the index.
 */
import { and, desc, type SQL, sql } from 'drizzle-orm';
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import { entryCondition, matchesFilter, type StoreFilter, type StoreScope } from '../store/filter.ts';
import { type EntryWithHash, rowToEntry } from '../store/read.ts';
import { brainEntries } from '../store/schema.ts';
import { newestFirst } from './newest-first.ts';
import type { RankedEntry } from './ranking.ts';

/** The question's share of a title: less of it is something else. */
const TITLE_SHARE_MIN = 0.5;
/** The shortest titles are read, and so many more, since a title of fewer words may be longer. */
const MORE_TITLES = 64;
/** More words than these say something. */
const WORDS_MAX = 32;

const WORD = /[\p{L}\p{N}]+/gu;
const ASCII_WORD = /^[a-z0-9]+$/;

interface Question {
  scope: StoreScope;
  filter: StoreFilter;
  limit: number;
  isLoose?: boolean;
}

/** Titles that have these words one after the other, the one that says least else first. @param past as of a time: entries as they were */
export async function titlesWith(
  database: Database,
  text: string,
  { scope, filter, limit, isLoose }: Question,
  past: ReadonlyMap<string, EntryWithHash>,
): Promise<RankedEntry[]> {
  const words = wordsIn(text);
  if (words.length === 0 || words.length > WORDS_MAX || !words.every((word) => ASCII_WORD.test(word))) return [];
  const shareMin = isLoose === true ? 0 : TITLE_SHARE_MIN;
  const now = await readTitled(database, words, { scope, filter, limit });
  const then = [...past.values()].flatMap(({ entry }) => (matchesFilter(entry, scope, filter) ? [entry] : []));
  return [...now, ...then]
    .map((entry) => ({ entry, score: shareOf(words, entry.title) }))
    .filter(({ score }) => score > 0 && score >= shareMin)
    .toSorted((a, b) => b.score - a.score || newestFirst(a.entry, b.entry))
    .slice(0, limit)
    .map(({ entry, score }) => ({
      ...entry,
      score,
      matched: [...new Set(words)],
      reasons: { words: score, order: 0, lowered: 0, relevance: score },
    }));
}

function wordsIn(text: string): string[] {
  return text.toLowerCase().match(WORD) ?? [];
}

/** How much of the title the words are; 0 where it does not have them one after the other. */
function shareOf(words: readonly string[], title: string): number {
  const all = wordsIn(title);
  return ` ${all.join(' ')} `.includes(` ${words.join(' ')} `) ? words.length / all.length : 0;
}

/** The shortest: what share of them the words are is told by their own words. */
async function readTitled(
  database: Database,
  words: readonly string[],
  { scope, filter, limit }: Question,
): Promise<Entry[]> {
  const isThere: SQL = sql`${brainEntries.title} ~* ${String.raw`\y${words.join('[^[:alnum:]]+')}\y`}`;
  const rows = await database
    .select()
    .from(brainEntries)
    .where(and(entryCondition(scope, filter), isThere))
    .orderBy(sql`length(${brainEntries.title})`, desc(brainEntries.updatedAt), desc(brainEntries.entryId))
    .limit(limit + MORE_TITLES);
  return rows.map(rowToEntry);
}
