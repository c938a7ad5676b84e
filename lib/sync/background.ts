/**
 * Syncs a brain by itself while somebody is logged in: soon after a write, when the server says that there is something
 * new, and now and then in case a message was lost. Owns when; what a sync does is sync-once.ts's.
 * Invariants: one sync at a time; after failures it waits ever longer, and a refused key ends the trying until the
 * login changes; a stopped one leaves no timer, call or stream behind.
 */
import type { Brain } from '../brain/contract.ts';
import { backOffMs, waitFor } from './back-off.ts';
import { EarliestTimer } from './earliest-timer.ts';
import type { SyncReport } from './report.ts';
import { WHOLE_WORKSPACE } from './session-types.ts';
import { listen } from './stream.ts';
import type { SyncOptions } from './options.ts';
import { syncOnce } from './sync-once.ts';
import { CallFailure } from './call-failure.ts';

/** Writes that follow each other go out together; the first of them waits no longer than this. */
const DEBOUNCE_MS = 100;
/** In case a poke was lost, and with servers that have no stream. */
const POLL_STREAMING_MS = 5 * 60_000;
const POLL_MS = 15_000;
const BACK_OFF_MS = { minMs: 1_000, maxMs: 5 * 60_000 };
const STREAM_BACK_OFF_MS = { minMs: 500, maxMs: 60_000 };

/** Where and as whom to sync; what a login writes. */
export interface Login {
  endpoint: string;
  apiKey: string;
  workspaceId: string;
  projectId: string;
}

export interface BackgroundOptions {
  brain: Brain;
  login: Login;
  userAgent: string;
  /** Told what is worth a line in a log. Never a key. */
  onEvent: (message: string) => void;
  random?: () => number;
  fetch?: SyncOptions['fetch'];
}

export class BackgroundSync {
  /** How the last sync went. */
  lastReport: SyncReport | undefined;
  readonly #options: BackgroundOptions;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  readonly #timer = new EarliestTimer(() => {
    this.#running = this.#run();
  });
  #running: Promise<void> | undefined;
  #isWantedAgain = false;
  #failures = 0;
  #isPaused = false;
  #isStreaming = false;
  #stream: Promise<void> | undefined;
  /** The greatest cursor that the server has told of. */
  #told = 0;

  constructor(options: BackgroundOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  start(): void {
    this.#schedule(0);
  }

  /** Something was written here. While the server fails, that is no reason to ask it sooner. */
  noteWrite(): void {
    if (this.#failures === 0) this.#schedule(DEBOUNCE_MS);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer.clear();
    await this.#running;
    await this.#stream;
  }

  #schedule(delayMs: number): void {
    if (this.#stop.signal.aborted || this.#isPaused) return;
    if (this.#running !== undefined) {
      this.#isWantedAgain = true;
      return;
    }
    this.#timer.set(delayMs);
  }

  async #run(): Promise<void> {
    this.#isWantedAgain = false;
    const { brain, login, userAgent, fetch: send } = this.#options;
    let delayMs: number;
    try {
      const report = await syncOnce({
        brain,
        ...login,
        userAgent,
        mode: 'both',
        retriesMax: 0,
        signal: this.#stop.signal,
        ...(send === undefined ? {} : { fetch: send }),
      });
      delayMs = this.#judge(report);
    } catch (error) {
      // A bug, or the brain is gone: neither may end the host.
      this.#failures += 1;
      this.#options.onEvent(`sync: failed: ${error instanceof Error ? error.message : String(error)}`);
      delayMs = backOffMs(this.#failures, BACK_OFF_MS, this.#random);
    }
    this.#running = undefined;
    this.#schedule(this.#isWantedAgain && this.#failures === 0 ? DEBOUNCE_MS : delayMs);
  }

  /** @returns when to sync again at the latest, in milliseconds */
  #judge(report: SyncReport): number {
    const { reason, pushed, pulled } = report;
    const before = this.lastReport;
    this.lastReport = report;
    for (const notice of report.notices) this.#options.onEvent(`sync: ${notice}`);
    if (reason === undefined) {
      if (before?.success !== true || pushed.sent + pulled.received > 0) {
        this.#options.onEvent(`sync: pushed ${pushed.sent}, pulled ${pulled.received}, pending ${report.pending}`);
      }
      this.#failures = 0;
      if (report.protocol === 2) this.#stream ??= this.#keepListening();
      return this.#isStreaming ? POLL_STREAMING_MS : POLL_MS;
    }
    this.#failures += 1;
    if (before?.reason?.message !== reason.message) this.#options.onEvent(`sync: ${reason.code}: ${reason.message}`);
    if (reason.code === 'unauthorized' || reason.code === 'forbidden') {
      this.#isPaused = true;
      this.#options.onEvent('sync: paused until somebody logs in again');
    }
    return backOffMs(this.#failures, BACK_OFF_MS, this.#random);
  }

  /** Syncs up to there, unless the brain is there already: it is what this one has pushed itself that it is mostly told of. */
  async #follow(serverCursor: number): Promise<void> {
    const { brain, login } = this.#options;
    const { endpoint, workspaceId } = login;
    await this.#running;
    const state = await brain.run('syncState', { endpoint, workspaceId }).catch(() => undefined);
    if ((state?.cursors[WHOLE_WORKSPACE] ?? 0) < serverCursor) this.#schedule(0);
  }

  /** Listens as long as this lives. Whether the server can be reached shows here first, so a sync follows an opening. */
  async #keepListening(): Promise<void> {
    const { signal } = this.#stop;
    for (let attempt = 1; !signal.aborted && !this.#isPaused; attempt += 1) {
      try {
        await this.#listenOnce(() => {
          attempt = 0;
        });
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        if (!error.failure.isTransient) break; // No stream here; the polls go on.
      }
      this.#isStreaming = false;
      await waitFor(backOffMs(Math.max(1, attempt), STREAM_BACK_OFF_MS, this.#random), signal);
    }
    this.#isStreaming = false;
    this.#stream = undefined;
  }

  async #listenOnce(onOpen: () => void): Promise<void> {
    const { brain, login, userAgent, fetch: send } = this.#options;
    const { endpoint, workspaceId } = login;
    const { cursors } = await brain.run('syncState', { endpoint, workspaceId });
    this.#told = cursors[WHOLE_WORKSPACE] ?? 0;
    await listen({
      server: { endpoint, apiKey: login.apiKey, userAgent, ...(send === undefined ? {} : { fetch: send }) },
      lastCursor: this.#told,
      signal: this.#stop.signal,
      onOpen: () => {
        onOpen();
        this.#isStreaming = true;
        this.#failures = 0;
        this.#schedule(0);
      },
      onPoke: (serverCursor) => {
        if (serverCursor <= this.#told) return;
        this.#told = serverCursor;
        void this.#follow(serverCursor);
      },
    });
  }
}
