/** The laws of convergence can fail: each rule of the merge is broken in turn, and the histories find it. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import * as clock from '../../lib/core/clock.ts';
import { history, liveThrough, REPLICAS } from '../support/sync-histories.ts';
import { SyncWorld } from '../support/sync-world.ts';

/** Far more than it takes: a rule that is broken shows within a few dozen. */
const HISTORIES = 1_000;

vi.mock('../../lib/core/clock.ts', { spy: true });

let world: SyncWorld;
beforeAll(async () => {
  world = await SyncWorld.open(REPLICAS);
});
afterEach(async () => {
  vi.mocked(clock.nextStampTime).mockReset();
  await world.mend();
});
afterAll(() => world.close());

test('[S1] a brain that does not break ties by the hash is found out', async () => {
  await world.sabotage('brain_append', [
    ['WHERE (e.updated_at, e.hash) < (excluded.updated_at, excluded.hash)', 'WHERE e.updated_at < excluded.updated_at'],
  ]);
  await expectToBeFoundOut();
}, 240_000);

test('[S1] a server whose cursor runs ahead of what it has committed is found out', async () => {
  world.distort = (answer, { path }) =>
    path.endsWith('/pull') ? { ...answer, serverCursor: answer.serverCursor + 3 } : answer;
  await expectToBeFoundOut();
}, 240_000);

test('[S23] a server that says to whoever pushes that nobody else has written is found out', async () => {
  const told = new Map<string | null, number>();
  world.distort = (answer, { path, clientId }) => {
    const foundCursor = told.get(clientId) ?? 0;
    told.set(clientId, answer.serverCursor);
    return path.endsWith('/push') ? { ...answer, foundCursor } : answer;
  };
  await expectToBeFoundOut();
}, 240_000);

test('[S5] a writer that stamps by its clock alone is found out', async () => {
  vi.mocked(clock.nextStampTime).mockImplementation((nowMs) => Math.floor(nowMs));
  await expectToBeFoundOut();
}, 240_000);

async function expectToBeFoundOut(): Promise<void> {
  const details = await fc.check(
    fc.asyncProperty(history, (drawn) => liveThrough(world, drawn)),
    { numRuns: HISTORIES, endOnFailure: true },
  );
  expect(details.failed).toBe(true);
}
