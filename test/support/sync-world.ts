/**
 * A world of brains and one server under a bad sky, for the convergence laws: real sessions, merge and SQL on both
 * sides, the real server application, and a network, clocks and crashes that the test holds in its hands. Each history
 * takes place in a workspace of its own, so that the databases are opened once.
 */
import type { BrainSession } from '../../lib/brain/session.ts';
import type { Entry } from '../../lib/core/entry.ts';
import { rowsOf } from '../../lib/store/database.ts';
import { openMemoryStore, type OpenStore } from '../../lib/store/pglite.ts';
import type { SyncOptions } from '../../lib/sync/options.ts';
import { syncOnce } from '../../lib/sync/sync-once.ts';
import type { SyncReport } from '../../lib/sync/report.ts';
import { sql } from 'drizzle-orm';
import { OldClient } from './old-client.ts';
import { openMemorySession } from './memory-store.ts';
import { createTestServer, type TestServer } from './server-app.ts';
import type { TestKey } from './server-keys.ts';

/** What becomes of one call. */
export type Fate = 'arrives' | 'lost' | 'answer lost' | 'twice' | 'late' | 'status 500' | 'status 429' | 'cut off';

export const ENDPOINT = 'http://server.test';
export const START_MS = Date.UTC(2026, 5, 1);
export const PROJECT = 'p';

/** The process ended here: no code of it runs any more. */
export class Crash extends Error {}

export interface Replica {
  session: BrainSession;
  /** The machine's clock less the true time. */
  skewMs: number;
  /** Versions that a call has acknowledged. */
  acknowledged: Entry[];
}

/** As much of an answer as sabotage is about. */
interface WireAnswer {
  serverCursor: number;
  foundCursor?: number;
}

export class SyncWorld {
  readonly #stores: OpenStore[];
  readonly #server: TestServer;
  readonly replicas: Replica[] = [];
  oldClients: OldClient[] = [];
  /** Sabotage: what is made of the answers that arrive. */
  distort: ((answer: WireAnswer, call: { path: string; clientId: string | null }) => WireAnswer) | undefined;
  /** Changes of one push, and of one page of a pull: few, so that histories have pages. */
  pageChanges = 1_000;
  readonly #sound = new Map<string, string>();
  key: TestKey;
  #ids = 0;
  #trueMs = START_MS;
  /** Requests that are still under way when their sender has given up. */
  #late: (() => Promise<unknown>)[] = [];

  private constructor(stores: OpenStore[], server: TestServer) {
    this.#stores = stores;
    this.#server = server;
    this.key = server.key;
  }

  static async open(replicas: number): Promise<SyncWorld> {
    const stores: OpenStore[] = [];
    for (let made = 0; made < replicas; made += 1) stores.push(await openMemoryStore());
    return new SyncWorld(stores, await createTestServer());
  }

  async close(): Promise<void> {
    await this.#server.close();
    for (const store of this.#stores) await store.close();
  }

  /** Changes the text of a function in all brains' databases. */
  async sabotage(name: string, changes: [from: string, to: string][]): Promise<void> {
    for (const { client } of this.#stores) {
      const { rows } = await client.query<{ definition: string }>(
        'SELECT pg_get_functiondef($1::regproc) AS definition',
        [name],
      );
      const definition = rows[0]?.definition ?? '';
      this.#sound.set(name, definition);
      const broken = changes.reduce((text, [from, to]) => text.replace(from, to), definition);
      if (broken === definition) throw new Error(`${name} has no such text`);
      await client.exec(broken);
    }
  }

  /** Undoes all sabotage. */
  async mend(): Promise<void> {
    this.distort = undefined;
    for (const definition of this.#sound.values()) {
      for (const { client } of this.#stores) await client.exec(definition);
    }
    this.#sound.clear();
  }

  /** A new workspace, with new sessions and clocks. */
  async begin(skewsMs: number[], oldClients: number): Promise<void> {
    this.#trueMs = START_MS;
    this.#late = [];
    this.#server.clock.ms = this.#trueMs;
    this.key = await this.#server.createKey('history');
    this.replicas.length = 0;
    for (const [index, store] of this.#stores.entries()) {
      await store.client.exec(`DELETE FROM brain_meta WHERE key IN ('clock_offset_ms', 'clock_high_ms')`);
      const replica: Replica = { skewMs: skewsMs[index] ?? 0, acknowledged: [], session: await this.#start(index) };
      this.replicas.push(replica);
    }
    this.oldClients = Array.from(
      { length: oldClients },
      (_, index) => new OldClient(`old-${index}`, { ...this.key, projectId: PROJECT }, this.#plainFetch()),
    );
  }

  #start(index: number): Promise<BrainSession> {
    return openMemorySession(this.#store(index), {
      nowMs: () => this.#trueMs + (this.replicas[index]?.skewMs ?? 0),
      createEntryId: () => this.#nextId(),
      createReplicaId: () => this.#nextId(),
    });
  }

  #store(index: number): OpenStore {
    const store = this.#stores[index];
    if (store === undefined) throw new Error(`there is no replica ${index}`);
    return store;
  }

  #nextId(): string {
    this.#ids += 1;
    return `0198aaaa-0000-7000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }

  newRequestId(): string {
    this.#ids += 1;
    return `0198bbbb-0000-4000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }

  replica(index: number): Replica {
    const replica = this.replicas[index % this.replicas.length];
    if (replica === undefined) throw new Error('there are no replicas');
    return replica;
  }

  passTime(ms: number): void {
    this.#trueMs += ms;
    this.#server.clock.ms = this.#trueMs;
  }

  nowMsOf(index: number): number {
    return this.#trueMs + this.replica(index).skewMs;
  }

  /** The process of a replica ends and begins anew. */
  async restart(index: number): Promise<void> {
    const number = index % this.replicas.length;
    this.replica(number).session = await this.#start(number);
  }

  /**
   * One sync under the given fates, the last of which holds for all further calls. With `crashAt` the process ends at
   * that step (a step is a call of the brain or of the network), before it where even and after it where odd.
   */
  async sync(
    index: number,
    options: { fates?: Fate[]; crashAt?: number; plan?: Partial<SyncOptions> } = {},
  ): Promise<SyncReport | undefined> {
    const { fates = ['arrives'], crashAt = Number.POSITIVE_INFINITY } = options;
    const replica = this.replica(index);
    const { session } = replica;
    let steps = 0;
    let calls = 0;
    const step = async <T>(work: () => Promise<T>): Promise<T> => {
      const [before, after] = [steps, steps + 1];
      steps += 2;
      if (crashAt === before) throw new Crash();
      const result = await work();
      if (crashAt === after) throw new Crash();
      return result;
    };
    const brain = {
      run: ((operation, request) => step(() => session.run(operation, request))) as BrainSession['run'],
      close: () => Promise.resolve(),
    };
    try {
      return await syncOnce({
        brain,
        endpoint: ENDPOINT,
        apiKey: this.key.apiKey,
        workspaceId: this.key.workspaceId,
        projectId: PROJECT,
        mode: 'both',
        retriesMax: 1,
        pageChanges: this.pageChanges,
        nowMs: () => this.#trueMs + replica.skewMs,
        random: () => 0.5,
        wait: () => Promise.resolve(),
        fetch: (input, init) => {
          const fate = fates[Math.min(calls, fates.length - 1)] ?? 'arrives';
          calls += 1;
          return step(() => this.#send(new Request(input).url, init ?? {}, fate));
        },
        ...options.plan,
      });
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      await this.restart(index);
      return undefined;
    }
  }

  /** What was under way arrives, in the reverse order. */
  async deliverLate(): Promise<void> {
    for (const deliver of this.#late.splice(0).toReversed()) await deliver();
  }

  async #send(url: string, init: RequestInit, fate: Fate): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.delete('accept-encoding');
    const body = init.body as Uint8Array<ArrayBuffer> | undefined;
    const deliver = (): Promise<Response> =>
      Promise.resolve(
        this.#server.app.request(url, {
          method: init.method ?? 'GET',
          headers,
          ...(body === undefined ? {} : { body }),
        }),
      );
    switch (fate) {
      case 'arrives':
        return this.#distorted(await deliver(), { path: new URL(url).pathname, clientId: headers.get('x-client-id') });
      case 'lost':
        throw new TypeError('fetch failed');
      case 'answer lost':
        await deliver();
        throw new TypeError('fetch failed');
      case 'twice':
        await deliver();
        return deliver();
      case 'late':
        this.#late.push(deliver);
        throw new TypeError('fetch failed');
      case 'status 500':
        return new Response('oops', { status: 500 });
      case 'status 429':
        return new Response('{"error":"rate_limited","message":"slowly"}', {
          status: 429,
          headers: { 'retry-after': '1' },
        });
      default: {
        const text = await (await deliver()).text();
        return new Response(text.slice(0, Math.floor(text.length / 2)), {
          headers: { 'content-type': 'application/json' },
        });
      }
    }
  }

  async #distorted(response: Response, call: { path: string; clientId: string | null }): Promise<Response> {
    if (this.distort === undefined || !response.ok) return response;
    return Response.json(this.distort((await response.json()) as WireAnswer, call));
  }

  #plainFetch(): (path: string, body: unknown) => Promise<{ status: number; body: unknown }> {
    return (path, body) => this.#server.post(path, this.key.apiKey, body);
  }

  /** All entries that a replica has in the workspace, whatever their state, by id. */
  async entriesOf(index: number): Promise<Entry[]> {
    const entries = await this.replica(index).session.run('list', {
      scope: { workspaceId: this.key.workspaceId, projectId: null },
      includeInactive: true,
      limit: 10_000,
    });
    return entries.toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1));
  }

  /** The server's current versions, by id: what a device that has nothing is sent, merged. */
  async entriesOfServer(): Promise<Entry[]> {
    const current = new Map<string, Entry>();
    let since = 0;
    for (;;) {
      const { status, body } = await this.#server.post<{ entries: Entry[]; serverCursor: number; hasMore: boolean }>(
        '/v1/brain/pull',
        this.key.apiKey,
        { protocolVersion: 1, clientId: 'auditor', projectId: PROJECT, since, limit: 1_000 },
      );
      if (status !== 200) throw new Error(`the server answered ${status}: ${JSON.stringify(body)}`);
      for (const entry of body.entries) current.set(entry.entryId, entry);
      since = body.serverCursor;
      if (!body.hasMore) break;
    }
    return [...current.values()].toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1));
  }

  /** Digest of the whole workspace, as the server and as a replica have it. */
  async digestOfServer(): Promise<unknown> {
    const { body } = await this.#server.post<{ ranges: { count: number; hash: string }[] }>(
      '/v1/brain/digest',
      this.key.apiKey,
      {
        protocolVersion: 2,
        ranges: [{ from: '', to: null }],
      },
    );
    return body.ranges.map(({ count, hash }) => ({ count, hash }));
  }

  async digestOf(index: number): Promise<unknown> {
    const ranges = await this.replica(index).session.run('syncDigest', {
      workspaceId: this.key.workspaceId,
      ranges: [{ from: '', to: null }],
      stampsMax: 0,
    });
    return ranges.map(({ count, hash }) => ({ count, hash }));
  }

  async conflictsOf(index: number): Promise<string[]> {
    const conflicts = await this.replica(index).session.run('conflicts', {
      scope: { workspaceId: this.key.workspaceId, projectId: null },
      limit: 10_000,
    });
    return conflicts
      .flatMap(({ losers }) => losers.map(({ entry, hash }) => `${entry.entryId} ${entry.updatedAt} ${hash}`))
      .toSorted();
  }

  /** What is in a replica's log of this workspace. */
  async logOf(index: number): Promise<LogRow[]> {
    const rows = await rowsOf<Record<string, unknown>>(
      this.#store(index % this.replicas.length).database,
      sql`SELECT c.entry_id, c.updated_at, c.hash, c.base, c.content::jsonb->>'status' AS status,
        EXISTS (SELECT FROM brain_changes r WHERE r.withdraws = c.change_id) AS withdrawn
        FROM brain_changes c WHERE workspace_id = ${this.key.workspaceId} ORDER BY seq`,
    );
    return rows.map((row) => ({
      entryId: String(row['entry_id']),
      updatedAt: Number(row['updated_at']),
      hash: String(row['hash']),
      base: row['base'] as string | null,
      status: String(row['status']),
      isWithdrawn: row['withdrawn'] === true,
    }));
  }
}

export interface LogRow {
  entryId: string;
  updatedAt: number;
  hash: string;
  base: string | null;
  status: string;
  isWithdrawn: boolean;
}
