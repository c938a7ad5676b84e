/**
 * Which entries are about a place in the code: by the commits, paths and keys that their refs name. What a ref names is
 * told by a pure function; recall's index only sorts out what surely names nothing.
 */
import type { Entry } from '../core/entry.ts';
import { subjectRefs } from '../core/provenance.ts';
import type { Database } from '../store/database.ts';
import { matchesFilter, type StoreScope } from '../store/filter.ts';
import { attribute } from './document.ts';
import { readEntriesOf, readNewestOf } from './index-tables.ts';
import { newestFirst } from './newest-first.ts';
import { Corpus } from './retrieval.ts';
import { termsOf } from './words.ts';

export interface Place {
  /** Full hashes, those that matter most first. */
  commits: readonly string[];
  /** From the root of the repository. */
  paths: readonly string[];
  keys: readonly string[];
}

export interface RefMatch {
  by: 'commit' | 'path' | 'key';
  ref: string;
  /** The commit, path or key that the ref names. */
  names: string;
}

/** Entries of the index that are looked at, the newest first. */
const LOOKED_AT_MAX = 2_000;
/** Git itself shows no fewer, and fewer would be told apart from words by luck. */
const HASH_DIGITS_MIN = 7;
const HASH = /(?:^|[^0-9a-z])([0-9a-f]{7,64})$/;

/** What a ref names of a place, by the strongest: a commit, a path, a key. */
export class PlaceIndex {
  readonly #commits = new Map<string, string[]>();
  readonly #rank = new Map<string, number>();
  readonly #paths: readonly string[];
  readonly #keys = new Map<string, string>();

  constructor({ commits, paths, keys }: Place) {
    for (const [index, commit] of commits.entries()) {
      const start = commit.slice(0, HASH_DIGITS_MIN);
      this.#commits.set(start, [...(this.#commits.get(start) ?? []), commit]);
      this.#rank.set(commit, index);
    }
    this.#paths = paths;
    for (const key of keys) this.#keys.set(key.toLowerCase(), key);
  }

  match(ref: string): RefMatch | undefined {
    const folded = ref.trim().toLowerCase();
    const digits = HASH.exec(folded)?.[1];
    const commit = digits === undefined ? undefined : this.#commitOf(digits);
    if (commit !== undefined) return { by: 'commit', ref, names: commit };
    const path = this.#paths.find((candidate) => namesPath(ref, candidate));
    if (path !== undefined) return { by: 'path', ref, names: path };
    const key = this.#keys.get(keyOf(folded));
    return key === undefined ? undefined : { by: 'key', ref, names: key };
  }

  /** The less the better: the first commit's 0, then the other commits, paths, keys. */
  strength({ by, names }: RefMatch): number {
    if (by === 'commit') return this.#rank.get(names) ?? 0;
    return this.#rank.size + (by === 'path' ? this.#paths.indexOf(names) : this.#paths.length);
  }

  #commitOf(digits: string): string | undefined {
    return this.#commits.get(digits.slice(0, HASH_DIGITS_MIN))?.find((commit) => commit.startsWith(digits));
  }
}

/** `file:`, `./` and a line (`:12`, `:12-20`, `#L12`) beside, a ref names a path that it is, or that it ends like. */
function namesPath(ref: string, path: string): boolean {
  const bare = ref
    .trim()
    .replace(/^file:(?:\/\/)?/i, '')
    .replace(/(?::\d+(?:[-:]\d+)?|#L?\d+(?:-L?\d+)?)$/i, '')
    .replaceAll('\\', '/')
    .replace(/^(?:\.?\/)+/, '');
  if (bare === path || bare.endsWith(`/${path}`)) return true;
  // A name alone, or the end of a path; a bare word is none.
  return /[./]/.test(bare) && path.endsWith(`/${bare}`);
}

/** `STA-412`, `#412`, and the same at the end of an address: `…/issues/412`, `…/browse/STA-412`. */
function keyOf(folded: string): string {
  const number = /^https?:\/\/\S+\/(?:issues|pull|pulls|merge_requests)\/(\d+)\b/.exec(folded)?.[1];
  if (number !== undefined) return `#${number}`;
  const last = folded.slice(folded.lastIndexOf('/') + 1);
  return last.replace(/^(?:issue|pr|pull|gh)[:-]?#?(?=\d+$)/, '#');
}

/** Entries that are about the place, the strongest match first, then the newest. */
export async function findByRefs(
  database: Database,
  scope: StoreScope,
  place: Place,
): Promise<(Entry & { matched: RefMatch[] })[]> {
  const index = new PlaceIndex(place);
  const entries = await readCandidates(database, scope, place);
  const strengthOf = ({ matched: [best] }: { matched: RefMatch[] }): number =>
    best === undefined ? Infinity : index.strength(best);
  return entries
    .filter((entry) => matchesFilter(entry, scope, { statuses: ['active', 'superseded'] }))
    .map((entry) => {
      const matched = subjectRefs(entry.refs).flatMap((ref) => index.match(ref) ?? []);
      return { ...entry, matched: matched.toSorted((a, b) => index.strength(a) - index.strength(b)) };
    })
    .filter(({ matched }) => matched.length > 0)
    .toSorted((a, b) => strengthOf(a) - strengthOf(b) || newestFirst(a, b));
}

/**
 * Entries with the words that a ref to the place must have, by recall's index: the abbreviation of a commit, all words of
 * a path's last name, all words of a key.
 */
async function readCandidates(
  database: Database,
  scope: StoreScope,
  { commits, paths, keys }: Place,
): Promise<Entry[]> {
  const project = scope.projectId === null ? [] : [attribute('project', scope.projectId)];
  const starts = commits.map((commit) => commit.slice(0, HASH_DIGITS_MIN));
  const names = [...paths.map((path) => path.slice(path.lastIndexOf('/') + 1)), ...keys].map(termsOf);
  const anyOf = [
    { terms: [...starts, ...starts.flatMap(termsOf)], all: project },
    ...names.filter(({ length }) => length > 0).map((terms) => ({ terms, all: [...project, ...terms] })),
  ];
  const corpus = await Corpus.open(database, scope.workspaceId, [
    ...new Set([...project, ...anyOf.flatMap(({ terms }) => terms)]),
  ]);
  const docs = new Set<number>();
  const waiting = new Map<string, Entry>();
  for (const { terms, all } of anyOf) {
    const worths = new Map(terms.map((term) => [term, 1]));
    for (const found of corpus.score({ terms: worths, demands: { all, none: [] }, exact: { terms: [], worth: 0 } })) {
      if ('doc' in found) docs.add(found.doc);
      else waiting.set(found.waiting.entry.entryId, found.waiting.entry);
    }
  }
  const newest = await readNewestOf(database, [...docs], LOOKED_AT_MAX);
  const stored = await readEntriesOf(
    database,
    newest.map(({ doc }) => doc),
  );
  return [...waiting.values(), ...[...stored.values()].map(({ entry }) => entry)];
}
