/**
 * Carries out the effects of a sync session, on a brain and a server, and tells how each went by an event. Owns what is
 * begun before it is asked for: the next changes are read and sent while those before are at the server, the next page is
 * read while one is stored. Invariant: nothing is under way once it has ended.
 */
import { SmError, toSmError } from '../core/errors.ts';
import type { SyncContact, SyncOutgoing } from '../brain/sync-contract.ts';
import { backOffMs, waitFor } from './back-off.ts';
import { LookAhead } from './look-ahead.ts';
import { PushAhead } from './push-ahead.ts';
import { reconcile } from './reconcile.ts';
import type { SyncProgress } from './report.ts';
import { probe, pull, type Pulled, push, type Pushed } from './server-calls.ts';
import { pushAfter } from './session-push.ts';
import type { Step } from './session-steps.ts';
import type { Contact, Effect, Event, Failure, PushEffect, SessionState } from './session-types.ts';
import type { SyncOptions } from './options.ts';
import { CallFailure } from './call-failure.ts';
import type { Server } from './transport.ts';

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5_000;
/** Pushes that are sent before the one before is answered: with two, a server has one to store and one to read meanwhile. */
const PUSHES_AHEAD_MAX = 2;
/**
 * Where a push takes longer than this the link is what is short, and a third push on it would only take from the others.
 * Those that share it come through together, so that each is given as often this as it was one of several.
 */
const QUICK_PUSH_MS = 2_000;

type ReadOutgoing = Extract<Effect, { type: 'readOutgoing' }>;
type Pull = Extract<Effect, { type: 'pull' }>;

export class EffectRunner {
  readonly #options: SyncOptions;
  readonly #server: Server;
  readonly #peer: { endpoint: string; workspaceId: string };
  readonly #over = new AbortController();
  readonly #outgoing = new LookAhead<SyncOutgoing>();
  readonly #pushes = new PushAhead((effect, onWay) => this.#send(effect, onWay));
  readonly #pages = new LookAhead<Pulled>();
  /** What follows the changes that are pushed, or the page that is stored, where something does. */
  #nextOutgoing: ReadOutgoing | undefined;
  #nextPage: Pull | undefined;
  /** Counts the pushes that were asked for; what goes ahead of one ends with the next. */
  #pushTurn = 0;
  #pushesAhead = 1;
  #pushesUnderWay = 0;
  /** The last place of the log, as far as it was read. */
  #headSeq = 0;
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

  async carryOut({ state, effect }: Step): Promise<Event> {
    try {
      return await this.#do(effect, state);
    } catch (error) {
      if (error instanceof CallFailure) return { type: 'failed', failure: error.failure };
      if (error instanceof SmError) return { type: 'failed', failure: localFailure(error) };
      throw error;
    }
  }

  /** Leaves nothing behind that is under way. */
  async end(): Promise<void> {
    this.#over.abort();
    this.#pushTurn += 1;
    await Promise.all([this.#outgoing.end(), this.#pushes.end(), this.#pages.end()]);
  }

  /** Protocol 1 pulls by project; protocol 2 has no use for them. */
  async #projectIds(protocol: 1 | 2 | null): Promise<string[]> {
    return protocol === 1 ? (await this.#options.brain.run('syncStanding', this.#peer)).projectIds : [];
  }

  async #do(effect: Effect, state: SessionState): Promise<Event> {
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
        this.#nextOutgoing = readAfter(effect, outgoing);
        return { type: 'outgoing', outgoing };
      }
      case 'push':
        return this.#push(effect, state);
      case 'note': {
        const { type: _, ...contact } = effect;
        const { pending } = await brain.run('syncNote', { peer, ...this.#toStore(contact) });
        return { type: 'noted', pending };
      }
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
        if (next !== undefined) void this.#pages.begin(keyOf(next), () => this.#pull(next));
        const contact = effect.contact === undefined ? {} : { contact: this.#toStore(effect.contact) };
        const applied = await brain.run('syncApply', { peer, ...effect.page, ...contact });
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

  async #readOutgoing({ afterSeq, limit }: ReadOutgoing): Promise<SyncOutgoing> {
    const outgoing = await this.#options.brain.run('syncOutgoing', { peer: this.#peer, afterSeq, limit });
    this.#headSeq = Math.max(this.#headSeq, outgoing.headSeq);
    return outgoing;
  }

  #pull(effect: Pull): Promise<Pulled> {
    return pull(this.#server, { ...effect, workspaceId: this.#peer.workspaceId });
  }

  async #push(effect: PushEffect, state: SessionState): Promise<Event> {
    this.#tell({ phase: 'pushing', done: this.#pushed });
    this.#setCoding(effect.protocol);
    const pushing = this.#pushes.take(effect);
    this.#pushTurn += 1;
    this.#goAhead(state).catch(() => undefined);
    const told = await pushing;
    this.#pushed += effect.changes.length;
    return { type: 'pushed', ...told };
  }

  /** Reads what follows the changes that are being pushed, and sends it, too. How that goes is told to who asks for it. */
  async #goAhead(pushing: SessionState): Promise<void> {
    const turn = this.#pushTurn;
    let state = pushing;
    let next = this.#nextOutgoing;
    for (let ahead = 0; ahead < this.#pushesAhead && next !== undefined; ahead += 1) {
      const reading = next;
      const outgoing = await this.#outgoing.begin(keyOf(reading), () => this.#readOutgoing(reading));
      const following = turn === this.#pushTurn ? pushAfter(state, outgoing) : undefined;
      if (following === undefined || !(await this.#pushes.begin(following.effect, this.#pushesAhead))) return;
      if (turn !== this.#pushTurn) return; // The one that was asked for meanwhile goes on from there.
      ({ state } = following);
      next = readAfter(reading, outgoing);
    }
  }

  /** Sent again, a push may come after others that were read later: a server that has those must not miss them here. */
  async #send({ replica: place, ...effect }: PushEffect, onWay: () => void): Promise<Pushed> {
    const { projectId } = this.#options;
    const replica = place && { ...place, headSeq: Math.max(place.headSeq, this.#headSeq) };
    const request = { ...effect, ...(replica === undefined ? {} : { replica }), onWay };
    const startedMs = performance.now();
    const sharing = (this.#pushesUnderWay += 1);
    try {
      return await push(this.#server, { ...request, workspaceId: this.#peer.workspaceId, projectId });
    } finally {
      this.#pushesUnderWay -= 1;
      this.#pushesAhead = performance.now() - startedMs < QUICK_PUSH_MS * sharing ? PUSHES_AHEAD_MAX : 1;
    }
  }

  #toStore(contact: Contact): SyncContact {
    const at = Math.floor((this.#options.nowMs ?? Date.now)());
    const { moments = [], failure, refusals, ...rest } = contact;
    return {
      ...rest,
      ...(refusals === undefined ? {} : { refusals: refusals.map((refusal) => ({ ...refusal, refusedAt: at })) }),
      ...(moments.includes('push') ? { lastPushAt: at } : {}),
      ...(moments.includes('pull') ? { lastPullAt: at } : {}),
      ...(failure === undefined ? {} : { lastError: failure && { code: failure.code, message: failure.message, at } }),
    };
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

/** What is read after `outgoing`. What is kept here is noted first: later versions may have been written on it. */
function readAfter(effect: ReadOutgoing, { hasMore, kept, scannedSeq }: SyncOutgoing): ReadOutgoing | undefined {
  return hasMore && kept.length === 0 ? { ...effect, afterSeq: scannedSeq } : undefined;
}

/** Two effects that are the same read the same. */
function keyOf(effect: ReadOutgoing | Pull): string {
  return JSON.stringify(effect);
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
