/**
 * Which entries a read sees: the same rule as a condition in SQL and as a question to an entry that is at hand (a test
 * holds the two against each other).
 */
import { and, eq, gte, inArray, lte, type SQL, sql } from 'drizzle-orm';
import type { Entry, EntryStatus } from '../core/entry.ts';
import { brainEntries } from './schema.ts';

/** One project of a workspace, or, with `projectId: null`, all of it. */
export interface StoreScope {
  workspaceId: string;
  projectId: string | null;
}

/** What narrows a read of entries. */
export interface StoreFilter {
  agent?: string;
  kind?: Entry['kind'];
  tags?: string[];
  /** Last updated from this time on, or up to and including that one. */
  sinceMs?: number;
  untilMs?: number;
  /** Entries with a ref that is this text, ends in it as a path does, or is the commit that it abbreviates. */
  ref?: string;
  /** Also superseded and retracted ones. */
  includeInactive?: boolean;
  /** Of these states only. */
  statuses?: EntryStatus[];
}

/** The condition of a scope and a filter, to be used in any statement over brain_entries. */
export function entryCondition(scope: StoreScope, filter: StoreFilter): SQL | undefined {
  return and(
    eq(brainEntries.workspaceId, scope.workspaceId),
    scope.projectId === null ? undefined : eq(brainEntries.projectId, scope.projectId),
    statusCondition(filter),
    filter.agent === undefined ? undefined : eq(brainEntries.agent, filter.agent),
    filter.kind === undefined ? undefined : eq(brainEntries.kind, filter.kind),
    filter.sinceMs === undefined ? undefined : gte(brainEntries.updatedAt, filter.sinceMs),
    filter.untilMs === undefined ? undefined : lte(brainEntries.updatedAt, filter.untilMs),
    filter.ref === undefined ? undefined : refCondition(filter.ref),
    ...(filter.tags ?? []).map((tag) => sql`${tag} = ANY(${brainEntries.tags})`),
  );
}

function statusCondition({ statuses, includeInactive }: StoreFilter): SQL | undefined {
  if (statuses !== undefined) return inArray(brainEntries.status, statuses);
  return includeInactive === true ? undefined : eq(brainEntries.status, 'active');
}

function refCondition(ref: string): SQL {
  const { whole, endings, beginnings } = refForms(ref);
  const literal = (text: string): string => text.replaceAll(/[\\%_]/g, String.raw`\$&`);
  const patterns = [
    ...whole.map(literal),
    ...endings.map((text) => `%${literal(text)}`),
    ...beginnings.flatMap((text) => [`${literal(text)}%`, `%:${literal(text)}%`]),
  ];
  const list = sql.join(
    patterns.map((pattern) => sql`${pattern}`),
    sql`, `,
  );
  return sql`EXISTS (SELECT FROM unnest(${brainEntries.refs}) AS r WHERE lower(r) LIKE ANY (ARRAY[${list}]))`;
}

/** A ref is named by all of it, by what follows a "/" or "scheme:", or, a commit, by its first seven digits or more. */
function refForms(ref: string): { whole: string[]; endings: string[]; beginnings: string[] } {
  const folded = ref.toLowerCase();
  return {
    whole: [folded],
    endings: [`/${folded}`, `:${folded}`],
    beginnings: /^[0-9a-f]{7,64}$/.test(folded) ? [folded] : [],
  };
}

/** What entryCondition says, of an entry that is at hand. */
export function matchesFilter(entry: Entry, scope: StoreScope, filter: StoreFilter): boolean {
  const { statuses, includeInactive } = filter;
  return (
    entry.workspaceId === scope.workspaceId &&
    (scope.projectId === null || entry.projectId === scope.projectId) &&
    (statuses === undefined
      ? includeInactive === true || entry.status === 'active'
      : statuses.includes(entry.status)) &&
    (filter.agent === undefined || entry.agent === filter.agent) &&
    (filter.kind === undefined || entry.kind === filter.kind) &&
    (filter.sinceMs === undefined || entry.updatedAt >= filter.sinceMs) &&
    (filter.untilMs === undefined || entry.updatedAt <= filter.untilMs) &&
    (filter.ref === undefined || hasRef(entry, filter.ref)) &&
    (filter.tags ?? []).every((tag) => entry.tags.includes(tag))
  );
}

function hasRef({ refs }: Entry, ref: string): boolean {
  const { whole, endings, beginnings } = refForms(ref);
  return refs.some((each) => {
    const folded = each.toLowerCase();
    return (
      whole.includes(folded) ||
      endings.some((text) => folded.endsWith(text)) ||
      beginnings.some((text) => folded.startsWith(text) || folded.includes(`:${text}`))
    );
  });
}
