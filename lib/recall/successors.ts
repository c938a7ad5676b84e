/** In place of a superseded entry comes the one that superseded it, and says so. */
import type { Entry } from '../core/entry.ts';
import type { Database } from '../store/database.ts';
import type { StoreScope } from '../store/filter.ts';
import { type EntryWithHash, readEntries } from '../store/read.ts';
import type { RankedEntry } from './ranking.ts';

/** Successors of successors; a longer chain is a circle. */
const SUCCESSIONS_MAX = 16;

/** `past`: entries as they were, by id, where that is asked for; they count instead of what they are now. */
export async function withSuccessors(
  database: Database,
  ranked: RankedEntry[],
  { scope, limit, past }: { scope: StoreScope; limit: number; past: ReadonlyMap<string, EntryWithHash> },
): Promise<RankedEntry[]> {
  const answer = new Map<string, RankedEntry>();
  for (const hit of ranked) {
    if (answer.size >= limit) break;
    if (hit.status === 'active') {
      if (!answer.has(hit.entryId)) answer.set(hit.entryId, hit);
      continue;
    }
    const successor = await successorOf(database, hit, past);
    if (successor === undefined || !isInScope(successor, scope) || answer.has(successor.entryId)) continue;
    const { score, matched, reasons } = hit;
    answer.set(successor.entryId, { ...successor, score, matched, reasons, insteadOf: hit.entryId });
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
