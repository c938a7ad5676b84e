/**
 * Convergence: whatever brains and clients of both protocols do, and whatever clocks, networks and crashes do to them,
 * once the sky is clear everybody holds the same, and nothing that was acknowledged is gone. FC_SEED and FC_PATH repeat a
 * history, FC_RUNS lengthens (npm run soak runs for as long as one likes).
 */
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { type History, history, liveThrough, REPLICAS } from '../support/sync-histories.ts';
import { SyncWorld } from '../support/sync-world.ts';

/** Of a landing. */
const HISTORIES = Number(process.env['FC_RUNS'] ?? 1_000);
/** Histories that were found to break a law, and that a short run would hardly draw again. */
const FORMER_FAULTS: [History][] = [
  // Two replicas write the same content on different bases in the same millisecond: one version, two ancestries.
  [
    {
      skewsMs: [0, 0, 0],
      pageChanges: 1_000,
      steps: [
        { do: 'oldWrite', entry: 0, title: 'a', isRetry: false },
        { do: 'sync', at: 1, fates: ['arrives'], crashAt: undefined, mode: 'both' },
        { do: 'edit', at: 1, entry: 0, title: 'd' },
        { do: 'oldWrite', entry: 0, title: 'b', isRetry: false },
        { do: 'sync', at: 1, fates: ['arrives', 'lost'], crashAt: undefined, mode: 'both' },
        { do: 'sync', at: 0, fates: ['twice'], crashAt: undefined, mode: 'both' },
        { do: 'edit', at: 0, entry: 0, title: 'a' },
        { do: 'edit', at: 1, entry: 0, title: 'a' },
      ],
    },
  ],
  // Two syncs of one brain at once: one notes that a version was refused after the other has withdrawn it.
  [
    {
      skewsMs: [0, 600_000, 0],
      pageChanges: 1_000,
      steps: [
        { do: 'record', at: 1, title: 'a' },
        { do: 'syncTogether', at: 1, other: 1, fates: ['twice', 'arrives', 'lost'] },
        { do: 'oldPull' },
      ],
    },
  ],
];

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.open(REPLICAS);
});
afterAll(() => world.close());

test('[S1][S2][S3][S4][S5][S14] after any history all brains and the server hold the same, and nothing acknowledged is gone', async () => {
  await fc.assert(
    fc.asyncProperty(history, (drawn) => liveThrough(world, drawn)),
    { numRuns: HISTORIES, examples: FORMER_FAULTS },
  );
}, 7_200_000);
