/**
 * What a prompt should know: gathers the entries that matter most, for a question or for a session that begins, and has
 * them packed. Owns what "matters most" means where nothing was asked.
 */
import type { Entry } from '../core/entry.ts';
import { hasFailed } from '../core/failed.ts';
import { DOUBTFUL_BELOW } from '../core/standing.ts';
import { withoutPrivate } from '../core/private.ts';
import { packContext } from '../recall/context.ts';
import type { ContextCandidate } from '../recall/context-formats.ts';
import { readNeighbours } from '../recall/neighbours.ts';
import { recallEntries } from '../recall/recall.ts';
import { loadTokenCounter } from '../recall/tokens.ts';
import type { VectorMemory } from '../recall/vector-memory.ts';
import type { Nearness } from '../recall/vectors.ts';
import type { Database } from '../store/database.ts';
import type { StoreFilter, StoreScope } from '../store/filter.ts';
import { listEntries } from '../store/read.ts';
import { readConflicts } from '../store/sync-log.ts';
import type { ContextPack, ContextRequest } from './recall-contract.ts';

/** Entries that a question brings, and that each section has without one. */
const HITS_MAX = 60;
const SECTION_ENTRIES_MAX = 30;
/** Experiments among which the failed ones are looked for. */
const EXPERIMENTS_MAX = 200;
const CONFLICTS_MAX = 1_000;

export interface ContextSurroundings {
  nowMs: number;
  vectors: VectorMemory;
  onHandedOut: (entries: Entry[]) => void;
}

export async function context(
  database: Database,
  request: ContextRequest,
  { nowMs, vectors, onHandedOut }: ContextSurroundings,
): Promise<ContextPack> {
  const { scope, includesOrg = false, budget, format, meaning } = request;
  const nearness = meaning && (await vectors.nearnessTo(database, scope.workspaceId, meaning));
  const asked = { request, nowMs, nearness };
  const own = await gather(database, asked, scope);
  const all = includesOrg ? await gather(database, asked, { ...scope, projectId: null }) : [];
  const conflicts = await readConflicts(database, {
    workspaceId: scope.workspaceId,
    projectId: includesOrg ? null : scope.projectId,
    limit: CONFLICTS_MAX,
  });
  const losers = new Map<string, number>();
  for (const { entry } of conflicts) losers.set(entry.entryId, (losers.get(entry.entryId) ?? 0) + 1);
  const candidates = [...own, ...all.filter(({ entry }) => entry.projectId !== scope.projectId)].map(
    ({ entry, section, score }): ContextCandidate => ({
      entry: withoutPrivate(entry),
      section,
      score,
      losers: losers.get(entry.entryId) ?? 0,
      isForeign: entry.projectId !== scope.projectId,
    }),
  );
  if (candidates.length === 0) return { text: '', tokens: 0, budget, entries: [], omitted: 0 };
  const ids = candidates.map(({ entry }) => entry.entryId);
  const otherIds = await readNeighbours(database, ids);
  const packed = packContext(candidates, { budget, format, nowMs, count: loadTokenCounter(), otherIds });
  onHandedOut(packed.entries.filter(({ detail }) => detail !== 'id').map(({ candidate }) => candidate.entry));
  return {
    text: packed.text,
    tokens: packed.tokens,
    budget,
    entries: packed.entries.map(({ candidate, detail }) => ({
      entryId: candidate.entry.entryId,
      projectId: candidate.entry.projectId,
      title: candidate.entry.title,
      detail,
      score: candidate.score,
    })),
    omitted: packed.omitted,
  };
}

type Gathered = Pick<ContextCandidate, 'entry' | 'section' | 'score'>;

interface Asked {
  request: ContextRequest;
  nowMs: number;
  nearness: Nearness | undefined;
}

/** What matters most first. */
async function gather(database: Database, { request, nowMs, nearness }: Asked, scope: StoreScope): Promise<Gathered[]> {
  const text = (request.query ?? '').toWellFormed();
  if (text.trim() !== '') {
    const near = nearness && { nearness };
    const hits = await recallEntries(database, { scope, filter: {}, text, limit: HITS_MAX, nowMs, ...near });
    return hits.map((entry) => ({ entry, section: '', score: entry.score }));
  }
  const list = async (filter: StoreFilter, limit: number) => {
    const entries = await listEntries(database, { scope, filter, limit });
    return entries.filter(({ confidence }) => confidence >= DOUBTFUL_BELOW);
  };
  const experiments = await list({ kind: 'experiment' }, EXPERIMENTS_MAX);
  return inTurn([
    named('Decided', await list({ kind: 'decision' }, SECTION_ENTRIES_MAX)),
    named('Tried and failed', experiments.filter(hasFailed).slice(0, SECTION_ENTRIES_MAX)),
    named('New', await list({}, SECTION_ENTRIES_MAX)),
  ]);
}

function named(section: string, entries: Entry[]): Gathered[] {
  return entries.map((entry) => ({ entry, section, score: 0 }));
}

/** One of each by turns, so that none is crowded out; each entry under the first heading that has it. */
function inTurn(sections: Gathered[][]): Gathered[] {
  const placed = new Map<string, string>();
  for (const section of sections) {
    for (const { entry, section: name } of section) {
      if (!placed.has(entry.entryId)) placed.set(entry.entryId, name);
    }
  }
  const own = sections.map((section) => section.filter((each) => placed.get(each.entry.entryId) === each.section));
  const longest = Math.max(0, ...own.map(({ length }) => length));
  return Array.from({ length: longest }, (_, index) =>
    own.flatMap((section) => section.slice(index, index + 1)),
  ).flat();
}
