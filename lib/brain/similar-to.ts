/** Tells a writer of entries that say nearly the same as the one just recorded. */
import type { Entry } from '../core/entry.ts';
import type { Brain } from './contract.ts';
import type { SimilarEntry } from './recall-contract.ts';

/** A suggestion; the entry is recorded whether it can be made or not. */
export async function similarTo(brain: Brain, { workspaceId, entryId, supersededBy }: Entry): Promise<SimilarEntry[]> {
  if (supersededBy !== undefined) return [];
  try {
    return await brain.run('similar', { workspaceId, idOrPrefix: entryId });
  } catch {
    return [];
  }
}
