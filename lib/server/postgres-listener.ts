/**
 * One connection that listens to what all instances tell each other through PostgreSQL. It connects again by itself,
 * with pauses that grow, and then says that something may have been missed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { ServerLog } from './context.ts';
import type { StoreEvent } from './store.ts';

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A connection that is silently gone is noticed by asking. */
const PROBE_INTERVAL_MS = 30_000;
const PROBE_TIMEOUT_MS = 5_000;

export class PostgresListener {
  readonly #databaseUrl: string;
  readonly #onEvent: (event: StoreEvent) => void;
  readonly #log: ServerLog;
  readonly #stopping = new AbortController();
  #client: pg.Client | undefined;
  #reconnecting: Promise<void> | undefined;

  constructor(databaseUrl: string, onEvent: (event: StoreEvent) => void, log: ServerLog) {
    this.#databaseUrl = databaseUrl;
    this.#onEvent = onEvent;
    this.#log = log;
  }

  /** Resolves once it listens. @throws what the first connection fails with */
  start(): Promise<void> {
    return this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reconnecting;
    await this.#client?.end().catch(() => undefined); // Broken already: gone is what it should be.
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: PROBE_TIMEOUT_MS,
      application_name: 'stackmemory listener',
      keepAlive: true,
    });
    let probe: NodeJS.Timeout | undefined;
    const lose = (): void => {
      clearInterval(probe);
      if (this.#client !== client) return;
      this.#client = undefined;
      client.end().catch(() => undefined); // It is broken; this frees its socket.
      if (!this.#stopping.signal.aborted) this.#reconnecting ??= this.#reconnect();
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', ({ payload = '' }) => this.#tell(payload));
    try {
      await client.connect();
      await client.query('LISTEN stackmemory');
    } catch (error) {
      client.end().catch(() => undefined); // It never came to be.
      throw error;
    }
    this.#client = client;
    probe = setInterval(() => void client.query('SELECT 1').catch(lose), PROBE_INTERVAL_MS).unref();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#stopping;
    for (let pauseMs = PAUSE_MS_MIN; !signal.aborted; pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2)) {
      // Half of it at random, so that instances do not all come back at once.
      await pause(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      try {
        await this.#connect();
        this.#reconnecting = undefined;
        this.#onEvent({ kind: 'all' });
        return;
      } catch (error) {
        this.#log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'still cannot listen');
      }
    }
  }

  #tell(payload: string): void {
    const [kind = '', first = '', ...rest] = payload.split(' ');
    if (kind === 'cursor') this.#onEvent({ kind, workspaceId: rest.join(' '), cursor: Number(first) });
    else if (kind === 'revoked') this.#onEvent({ kind, prefix: first });
  }
}
