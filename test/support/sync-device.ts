/** A brain in memory as one device of a team, for tests that sync it with servers of their own. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { BrainSession } from '../../lib/brain/session.ts';
import type { Entry } from '../../lib/core/entry.ts';
import type { OpenStore } from '../../lib/store/pglite.ts';
import type { SyncOptions } from '../../lib/sync/options.ts';
import { syncOnce } from '../../lib/sync/sync-once.ts';
import type { SyncReport } from '../../lib/sync/report.ts';
import { openMemorySession } from './memory-store.ts';

/** Where a device syncs: the server's address and what its key is for. */
export interface Place {
  url: string;
  key: { apiKey: string; workspaceId: string };
}

export class SyncDevice {
  readonly session: BrainSession;
  readonly store: OpenStore;
  /** Its clock less the true time. */
  readonly skew: { ms: number };

  private constructor(session: BrainSession, store: OpenStore, skew: { ms: number }) {
    this.session = session;
    this.store = store;
    this.skew = skew;
  }

  /** Begins anew on a store that may hold other workspaces. */
  static async start(store: OpenStore): Promise<SyncDevice> {
    await store.client.exec(`DELETE FROM brain_meta WHERE key IN ('clock_offset_ms', 'clock_high_ms')`);
    const skew = { ms: 0 };
    const session = await openMemorySession(store, {
      nowMs: () => Date.now() + skew.ms,
      createEntryId: (nowMs) => uuidv7({ msecs: nowMs }),
      createReplicaId: randomUUID,
    });
    return new SyncDevice(session, store, skew);
  }

  sync({ url, key }: Place, options: Partial<SyncOptions> = {}): Promise<SyncReport> {
    return syncOnce({
      brain: this.session,
      endpoint: url,
      apiKey: key.apiKey,
      workspaceId: key.workspaceId,
      projectId: 'p',
      mode: 'both',
      deadlineMs: 10_000,
      wait: () => Promise.resolve(),
      nowMs: () => Date.now() + this.skew.ms,
      ...options,
    });
  }

  record({ key }: Place, ...drafts: { title: string; conclusion?: string }[]): Promise<Entry[]> {
    const scope = { workspaceId: key.workspaceId, projectId: 'p' };
    return this.session.run('record', { requestId: randomUUID(), scope, agent: 'tester', drafts });
  }

  edit({ key }: Place, entryId: string, title: string): Promise<Entry> {
    const reference = { workspaceId: key.workspaceId, idOrPrefix: entryId };
    return this.session.run('edit', { requestId: randomUUID(), reference, edit: { title } });
  }

  async titles({ key }: Place): Promise<string[]> {
    const scope = { workspaceId: key.workspaceId, projectId: null };
    const entries = await this.session.run('list', { scope, includeInactive: true, limit: 10_000 });
    return entries.map(({ title }) => title).toSorted();
  }
}
