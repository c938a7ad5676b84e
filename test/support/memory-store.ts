/**
 * Brains in memory, for tests that need many and quick ones: the real SQL on a real PGlite, with nothing on a disk. What
 * is not real is durability, which other tests prove.
 */
import { BrainSession } from '../../lib/brain/session.ts';
import type { OpenStore } from '../../lib/store/pglite.ts';

/** A session on a store, as after a start of the host. Closing it leaves the store open. */
export function openMemorySession(
  store: OpenStore,
  surroundings: { nowMs: () => number; createEntryId: (nowMs: number) => string; createReplicaId: () => string },
): Promise<BrainSession> {
  return BrainSession.open({ ...store, close: () => Promise.resolve() }, { directory: process.cwd(), ...surroundings });
}
