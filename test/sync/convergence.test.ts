/**
 * Convergence: whatever brains and clients of both protocols do, and whatever clocks, networks and crashes do to them,
 * once the sky is clear everybody holds the same, and nothing that was acknowledged is gone. FC_SEED and FC_PATH repeat a
 * history, FC_RUNS lengthens (npm run soak runs for as long as one likes).
 */
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { history, liveThrough, REPLICAS } from '../support/sync-histories.ts';
import { SyncWorld } from '../support/sync-world.ts';

/** Of a landing. */
const HISTORIES = Number(process.env['FC_RUNS'] ?? 1_000);

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.open(REPLICAS);
});
afterAll(() => world.close());

test('[S1][S2][S3][S4][S5][S14] after any history all brains and the server hold the same, and nothing acknowledged is gone', async () => {
  await fc.assert(
    fc.asyncProperty(history, (drawn) => liveThrough(world, drawn)),
    { numRuns: HISTORIES },
  );
}, 7_200_000);
