/** The embedded store after a while in which nobody wrote. */
import { afterEach, expect, test, vi } from 'vitest';
import { StoreUpkeep } from '../../lib/brain/upkeep.ts';
import { toStoreRows } from '../../lib/server/change-rows.ts';
import { openEmbeddedServerStore } from '../../lib/server/embedded-store.ts';
import { storeChange } from '../support/server-changes.ts';
import { createTestKey } from '../support/server-keys.ts';

const NOW_MS = Date.UTC(2026, 0, 2);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

// Nothing is to be done where the last commit has made a checkpoint.
test.each([true, false])('[V15] the next push is taken, whether there was upkeep to do (%s) or not', async (isDue) => {
  const store = await openEmbeddedServerStore({ memory: true });
  const { workspaceId } = await createTestKey(store, 'idle');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.spyOn(StoreUpkeep.prototype, 'isDue', 'get').mockReturnValue(isDue);
  for (const number of [1, 2, 3]) {
    const changes = [storeChange({ number, title: 'x', updatedAt: number, workspaceId })];
    const pushed = store.push({ workspaceId, pusherId: 'r', protocol: 2, nowMs: NOW_MS, ...toStoreRows(changes) });
    await expect(pushed).resolves.toMatchObject({ verdict: 'stored' });
    await vi.advanceTimersByTimeAsync(60_000);
  }
  await store.close();
});
