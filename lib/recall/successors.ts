/** In place of a superseded entry comes the one that superseded it, and says so. */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import type { StoreScope } from '../store/filter.ts';
import { type EntryWithHash, readEntries } from '../store/read.ts';

/** Successors of successors; a longer chain is a circle. */
const SUCCESSIONS_MAX = 16;

/** What a hit has besides its entry stays with the successor. `past`: entries as they were, by id, where that is asked for; they count instead of what they are now. */
export async function withSuccessors<Hit extends Entry>(
  database: Database,
  ranked: Hit[],
  { scope, limit, past }: { scope: StoreScope; limit: number; past: ReadonlyMap<string, EntryWithHash> },
): Promise<(Hit & { insteadOf?: string })[]> {
  const answer = new Map<string, Hit & { insteadOf?: string }>();
  for (const hit of ranked) {
    if (answer.size >= limit) break;
    if (hit.status === 'active') {
      if (!answer.has(hit.entryId)) answer.set(hit.entryId, hit);
      continue;
    }
    const successor = await successorOf(database, hit, past);
    if (successor === undefined || !isInScope(successor, scope) || answer.has(successor.entryId)) continue;
    const { supersededBy: _, ...found } = hit;
    answer.set(successor.entryId, { ...found, ...successor, insteadOf: hit.entryId } as Hit & { insteadOf: string });
  }
  return [...answer.values()];
}

async function successorOf(
  database: Database,
  { supersededBy }: Entry,
  past: ReadonlyMap<string, EntryWithHash>,
): Promise<Entry | undefined> {
  let next = supersededBy;
  for (let steps = 0; next !== undefined && steps < SUCCESSIONS_MAX; steps += 1) {
    const successor: EntryWithHash | undefined = past.get(next) ?? (await readEntries(database, [next])).get(next);
    if (successor === undefined || successor.entry.status === 'active') return successor?.entry;
    next = successor.entry.supersededBy;
  }
  return undefined;
}

function isInScope(entry: Entry, { workspaceId, projectId }: StoreScope): boolean {
  return entry.workspaceId === workspaceId && (projectId === null || entry.projectId === projectId);
}
