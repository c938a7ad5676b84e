/**
 * Runs one sync session: carries out what the state machine decides, on a brain and a server, and reports. Never throws
 * for the server's sake, and never leaves a wait or a call behind. Two that run at once on one brain do no harm.
 */
import type { Brain } from '../brain/contract.ts';
import { SmError, toSmError } from '../core/errors.ts';
import type { SyncOutgoing } from '../brain/sync-contract.ts';
import { backOffMs } from './back-off.ts';
import { LookAhead } from './look-ahead.ts';
import { reconcile } from './reconcile.ts';
import type { SyncMode, SyncProgress, SyncReport } from './report.ts';
import { probe, pull, type Pulled, push } from './server-calls.ts';
import { PAGE_CHANGES } from './session-steps.ts';
import { advance, beginSession } from './session.ts';
import type { Effect, Event, Failure, SessionState } from './session-types.ts';
import { CallFailure, type Server } from './transport.ts';

/** A person waits for the end of this one; the background has longer patience of its own. */
const RETRIES_MAX = 2;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5_000;
/** Steps of one session: far more than a brain of a million changes takes. */
const STEPS_MAX = 100_000;

export interface SyncOptions {
  brain: Brain;
  endpoint: string;
  apiKey: string;
  workspaceId: string;
  /** The project of the key. */
  projectId: string;
  mode: SyncMode;
  verify?: boolean;
  restamp?: boolean;
  retriesMax?: number;
  /** Changes of one push, and of one page of a pull, with protocol 2. */
  pageChanges?: number;
  userAgent?: string;
  signal?: AbortSignal;
  onProgress?: (progress: SyncProgress) => void;
  /** For tests: the network, the time, and what lies between two steps. */
  fetch?: typeof fetch;
  deadlineMs?: number;
  nowMs?: () => number;
  random?: () => number;
  wait?: (delayMs: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** Pushes, then pulls, all pages. @returns how it went; a server that fails is part of that */
export async function syncOnce(options: SyncOptions): Promise<SyncReport> {
  const startedMs = performance.now();
  const runner = new Runner(options);
  let step = beginSession({
    mode: options.mode,
    verify: options.verify ?? false,
    restamp: options.restamp ?? false,
    projectId: options.projectId,
    retriesMax: options.retriesMax ?? RETRIES_MAX,
    pageChanges: options.pageChanges ?? PAGE_CHANGES,
  });
  try {
    for (let steps = 0; step.effect.type !== 'finish' && steps < STEPS_MAX; steps += 1) {
      step = advance(step.state, await runner.carryOut(step.effect));
    }
  } finally {
    await runner.end();
  }
  return runner.report(step.state, performance.now() - startedMs);
}

type ReadOutgoing = Extract<Effect, { type: 'readOutgoing' }>;
type Pull = Extract<Effect, { type: 'pull' }>;

class Runner {
  readonly #options: SyncOptions;
  readonly #server: Server;
  readonly #peer: { endpoint: string; workspaceId: string };
  readonly #over = new AbortController();
  readonly #outgoing = new LookAhead<SyncOutgoing>();
  readonly #pages = new LookAhead<Pulled>();
  /** What follows the changes that are pushed, or the page that is stored, where something does. */
  #nextOutgoing: ReadOutgoing | undefined;
  #nextPage: Pull | undefined;
  #pushed = 0;
  #pulled = 0;

  constructor(options: SyncOptions) {
    this.#options = options;
    const { endpoint, apiKey, workspaceId, userAgent, signal, deadlineMs } = options;
    this.#peer = { endpoint, workspaceId };
    this.#server = {
      endpoint,
      apiKey,
      ...(userAgent === undefined ? {} : { userAgent }),
      signal: signal === undefined ? this.#over.signal : AbortSignal.any([signal, this.#over.signal]),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
      ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
    };
  }

  async carryOut(effect: Effect): Promise<Event> {
    try {
      return await this.#do(effect);
    } catch (error) {
      if (error instanceof CallFailure) return { type: 'failed', failure: error.failure };
      if (error instanceof SmError) return { type: 'failed', failure: localFailure(error) };
      throw error;
    }
  }

  /** Leaves nothing behind that is under way. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all([this.#outgoing.end(), this.#pages.end()]);
  }

  report(state: SessionState, durationMs: number): SyncReport {
    const { failure, ...tally } = state.tally;
    const { endpoint, workspaceId } = this.#peer;
    return {
      success: failure === undefined,
      ...(failure === undefined ? {} : { reason: reasonOf(failure) }),
      endpoint,
      workspaceId,
      protocol: state.protocol,
      ...tally,
      pending: state.pending,
      durationMs: Math.round(durationMs),
    };
  }

  /** Protocol 1 pulls by project; protocol 2 has no use for them. */
  async #projectIds(protocol: 1 | 2 | null): Promise<string[]> {
    return protocol === 1 ? (await this.#options.brain.run('syncStanding', this.#peer)).projectIds : [];
  }

  async #do(effect: Effect): Promise<Event> {
    const { brain } = this.#options;
    const peer = this.#peer;
    switch (effect.type) {
      case 'load': {
        const state = await brain.run('syncState', peer);
        this.#server.clientId = state.replicaId;
        this.#setCoding(state.protocol);
        return { type: 'loaded', state, projectIds: await this.#projectIds(state.protocol) };
      }
      case 'probe': {
        this.#tell({ phase: 'connecting', done: 0 });
        const protocol = await probe(this.#server);
        this.#setCoding(protocol);
        return { type: 'probed', protocol, projectIds: await this.#projectIds(protocol) };
      }
      case 'readOutgoing': {
        const outgoing = await this.#outgoing.take(keyOf(effect), () => this.#readOutgoing(effect));
        const { hasMore, kept, scannedSeq } = outgoing;
        // What is kept here is noted first: later versions may have been written on it.
        this.#nextOutgoing = hasMore && kept.length === 0 ? { ...effect, afterSeq: scannedSeq } : undefined;
        return { type: 'outgoing', outgoing };
      }
      case 'push':
        return this.#push(effect);
      case 'note':
        return this.#note(effect);
      case 'pull': {
        this.#tell({ phase: 'pulling', done: this.#pulled });
        this.#setCoding(effect.protocol);
        const pulled = await this.#pages.take(keyOf(effect), () => this.#pull(effect));
        const { hasMore, serverCursor } = pulled.answer;
        this.#nextPage = hasMore && effect.protocol === 2 ? { ...effect, since: serverCursor } : undefined;
        return { type: 'pulled', ...pulled };
      }
      case 'apply': {
        const next = this.#nextPage;
        if (next !== undefined) this.#pages.begin(keyOf(next), () => this.#pull(next));
        const applied = await brain.run('syncApply', { peer, ...effect.page });
        this.#pulled += applied.applied + applied.superseded + applied.duplicate + applied.setAside;
        return { type: 'applied', applied };
      }
      case 'restamp': {
        const { type: _, ...request } = effect;
        const { restamped } = await brain.run('syncRestamp', { peer, ...request });
        return { type: 'restamped', count: restamped };
      }
      case 'renew':
        await brain.run('syncRenew', {});
        return { type: 'renewed' };
      case 'reconcile':
        return { type: 'reconciled', result: await this.#reconcile() };
      case 'wait':
        await this.#wait(effect);
        return { type: 'waited' };
      case 'finish':
        return { type: 'waited' };
      default:
        throw new Error(`there is no effect ${String(effect satisfies never)}`);
    }
  }

  #readOutgoing({ afterSeq, limit }: ReadOutgoing): Promise<SyncOutgoing> {
    return this.#options.brain.run('syncOutgoing', { peer: this.#peer, afterSeq, limit });
  }

  #pull(effect: Pull): Promise<Pulled> {
    return pull(this.#server, { ...effect, workspaceId: this.#peer.workspaceId });
  }

  async #push(effect: Extract<Effect, { type: 'push' }>): Promise<Event> {
    this.#tell({ phase: 'pushing', done: this.#pushed });
    this.#setCoding(effect.protocol);
    const next = this.#nextOutgoing;
    if (next !== undefined) this.#outgoing.begin(keyOf(next), () => this.#readOutgoing(next));
    const { workspaceId } = this.#peer;
    const told = await push(this.#server, { ...effect, workspaceId, projectId: this.#options.projectId });
    this.#pushed += effect.changes.length;
    return { type: 'pushed', ...told };
  }

  async #note({ type: _, ...effect }: Extract<Effect, { type: 'note' }>): Promise<Event> {
    const at = Math.floor((this.#options.nowMs ?? Date.now)());
    const { moments = [], failure, refusals, ...rest } = effect;
    const { pending } = await this.#options.brain.run('syncNote', {
      peer: this.#peer,
      ...rest,
      ...(refusals === undefined ? {} : { refusals: refusals.map((refusal) => ({ ...refusal, refusedAt: at })) }),
      ...(moments.includes('push') ? { lastPushAt: at } : {}),
      ...(moments.includes('pull') ? { lastPullAt: at } : {}),
      ...(failure === undefined ? {} : { lastError: failure && { code: failure.code, message: failure.message, at } }),
    });
    return { type: 'noted', pending };
  }

  #reconcile() {
    const { brain, projectId } = this.#options;
    return reconcile({
      brain,
      server: this.#server,
      peer: this.#peer,
      projectId,
      onProgress: (done) => this.#tell({ phase: 'verifying', done }),
    });
  }

  async #wait({ attempt, retryAfterMs }: Extract<Effect, { type: 'wait' }>): Promise<void> {
    const random = this.#options.random ?? Math.random;
    const delayMs = Math.max(
      backOffMs(attempt, { minMs: RETRY_MS_MIN, maxMs: RETRY_MS_MAX }, random),
      Math.min(retryAfterMs ?? 0, RETRY_MS_MAX),
    );
    this.#tell({
      phase: 'waiting',
      done: attempt,
      detail: `the server; trying again in ${Math.ceil(delayMs / 1_000)} s`,
    });
    await (this.#options.wait ?? waitFor)(delayMs, this.#options.signal);
  }

  /** A server of protocol 1 is sent plain JSON: whether it unpacks anything is not known. */
  #setCoding(protocol: 1 | 2 | null): void {
    if (protocol === 2) this.#server.coding = 'br';
    else delete this.#server.coding;
  }

  #tell(progress: SyncProgress): void {
    this.#options.onProgress?.(progress);
  }
}

/** Two effects that are the same read the same. */
function keyOf(effect: ReadOutgoing | Pull): string {
  return JSON.stringify(effect);
}

/** Ends early, without a failure, when the signal is given: what comes next will notice. */
export function waitFor(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal?.addEventListener('abort', end);
  });
}

/** A failure of the brain itself: trying again is the caller's affair. */
function localFailure(error: SmError): Failure {
  const { code, message, hint, details } = toSmError(error);
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
    isTransient: false,
  };
}

function reasonOf({ code, message, hint }: Failure) {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
