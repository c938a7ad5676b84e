/**
 * Embeddings while an address for them is configured: makes the vectors of entries in the background, and of questions
 * while somebody waits. Owns when the address is asked, and what is done where it is down, slow or another than before.
 * Invariants: nobody waits longer for it than the configured time, and not at all while it fails; no text leaves that a
 * push would hold back, and no secret in a question; a stopped service leaves no timer and no call behind.
 */
import { randomUUID } from 'node:crypto';
import type { Brain } from '../brain/contract.ts';
import type { Meaning } from '../core/embedding.ts';
import { marksPrivate } from '../core/private.ts';
import { cosine, fromBase64, toBase64 } from '../recall/vectors.ts';
import { maskSecrets } from '../secrets/mask.ts';
import { backOffMs } from '../sync/back-off.ts';
import { EarliestTimer } from '../sync/earliest-timer.ts';
import { embed, EmbeddingFailure, type Endpoint } from './endpoint.ts';

/** Texts of one call, and changes that are looked at for them. */
const BATCH = 32;
/** A model on a processor takes seconds for a batch. */
const BATCH_MS = 120_000;
const PROBE_MS = 30_000;
/** Writes that follow each other are embedded together. */
const DEBOUNCE_MS = 1_000;
const BACK_OFF_MS = { minMs: 5_000, maxMs: 10 * 60_000 };
/** After a question that was not answered nobody waits for the next ones. */
const PAUSE_MS = 30_000;
const QUESTIONS_KEPT = 256;
/** What is always the same, so that one sees whether the model is. */
const PROBE = 'What was decided, and why did the other way fail?';
const PROBE_COSINE_MIN = 0.98;

export interface EmbeddingSettings extends Endpoint {
  /** Put before every question, as some models want it. */
  queryPrefix: string;
  entryPrefix: string;
  /** How long somebody who asks may wait for it, in milliseconds. */
  timeoutMs: number;
}

export interface EmbeddingOptions {
  brain: Brain;
  settings: EmbeddingSettings;
  /** Told what is worth a line in a log. Never a key or a text. */
  onEvent: (message: string) => void;
  random?: () => number;
  nowMs?: () => number;
}

/** What `sm host status` shows. */
export interface EmbeddingFigures {
  model: string;
  url: string;
  state: 'starting' | 'working' | 'ready' | 'failing';
  /** Why it fails. */
  failure?: string;
}

export class EmbeddingService {
  readonly #options: EmbeddingOptions;
  readonly #nowMs: () => number;
  readonly #stop = new AbortController();
  readonly #questions = new Map<string, Meaning>();
  /** Undefined until it is known what the model's vectors can be compared with. */
  #generation: string | undefined;
  #dimensions = 0;
  /** The model has answered as before since it last failed. */
  #isProbed = false;
  readonly #timer = new EarliestTimer(() => {
    this.#running = this.#work();
  });
  #running: Promise<void> | undefined;
  #isWantedAgain = false;
  #failures = 0;
  #pausedUntilMs = 0;
  #state: EmbeddingFigures['state'] = 'starting';
  #failure: string | undefined;
  /** Of the failure, in the log. */
  #logged = '';

  constructor(options: EmbeddingOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  start(): void {
    this.#schedule(0);
  }

  /** Something was written. While the address fails, that is no reason to ask it sooner. */
  noteWrite(): void {
    if (this.#failures === 0) this.#schedule(DEBOUNCE_MS);
  }

  figures(): EmbeddingFigures {
    const { model, url } = this.#options.settings;
    return { model, url, state: this.#state, ...(this.#failure === undefined ? {} : { failure: this.#failure }) };
  }

  /** What a question means; undefined where that is not known in time. Never throws. */
  async meaningOf(question: string): Promise<Meaning | undefined> {
    const generation = this.#generation;
    const text = question.trim();
    if (generation === undefined || text === '' || marksPrivate(text) || this.#stop.signal.aborted) return undefined;
    const known = this.#questions.get(text);
    if (known?.generation === generation) return known;
    if (this.#nowMs() < this.#pausedUntilMs) return undefined;
    const { settings } = this.#options;
    try {
      const signal = this.#within(settings.timeoutMs);
      const [masked] = await maskSecrets([{ title: text }]);
      const [vector] = await embed(settings, [settings.queryPrefix + (masked?.fields.title ?? '')], signal);
      if (vector?.length !== this.#dimensions) throw new EmbeddingFailure('it gave a vector of another length');
      const meaning = { generation, vector: toBase64(vector) };
      this.#questions.set(text, meaning);
      for (const [oldest] of this.#questions) {
        if (this.#questions.size <= QUESTIONS_KEPT) break;
        this.#questions.delete(oldest);
      }
      return meaning;
    } catch (error) {
      if (!(error instanceof EmbeddingFailure)) throw error;
      if (this.#stop.signal.aborted) return undefined;
      this.#pausedUntilMs = this.#nowMs() + PAUSE_MS;
      this.#noteFailure(error);
      this.#schedule(PAUSE_MS);
      return undefined;
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer.clear();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    if (this.#running !== undefined) {
      this.#isWantedAgain = true;
      return;
    }
    this.#timer.set(delayMs);
  }

  async #work(): Promise<void> {
    let retryMs: number | undefined;
    try {
      this.#isWantedAgain = false;
      await this.#embedAll();
      this.#failures = 0;
      this.#failure = undefined;
      this.#logged = '';
      this.#state = 'ready';
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#failures += 1;
        this.#noteFailure(error);
        retryMs = backOffMs(this.#failures, BACK_OFF_MS, this.#options.random ?? Math.random);
      }
    } finally {
      this.#running = undefined;
    }
    if (retryMs !== undefined) this.#schedule(retryMs);
    else if (this.#isWantedAgain) this.#schedule(DEBOUNCE_MS);
  }

  async #embedAll(): Promise<void> {
    const { brain, settings, onEvent } = this.#options;
    const generation = await this.#currentGeneration();
    let made = 0;
    for (;;) {
      const { items, upToSeq, left } = await brain.run('embeddingPending', { generation, limit: BATCH });
      if (this.#stop.signal.aborted) return;
      if (items.length > 0) this.#state = 'working';
      const texts = items.map(({ text }) => settings.entryPrefix + text);
      const vectors = await this.#embedTexts(texts);
      const stored = items.flatMap(({ entryId, workspaceId, textHash }, index) => {
        const vector = vectors[index];
        return vector === undefined ? [] : [{ entryId, workspaceId, textHash, data: toBase64(vector) }];
      });
      if (items.length > 0 || left > 0) await brain.run('embeddingStore', { generation, upToSeq, vectors: stored });
      made += stored.length;
      if (left === 0) break;
    }
    if (made >= BATCH) onEvent(`embeddings: ${made} made with ${settings.model}`);
  }

  /** That of the brain, where the model answers as it did; else a new one, and all vectors are made anew. */
  async #currentGeneration(): Promise<string> {
    if (this.#generation !== undefined && this.#isProbed) return this.#generation;
    const { brain, settings, onEvent } = this.#options;
    const [probe] = await embed(settings, [settings.entryPrefix + PROBE], this.#within(PROBE_MS));
    if (probe === undefined) throw new EmbeddingFailure('it gave no vector');
    const known = await brain.run('embeddingState', {});
    const isSame = known?.model === settings.model && cosine(fromBase64(known.probe), probe) >= PROBE_COSINE_MIN;
    this.#isProbed = true;
    this.#dimensions = probe.length;
    if (isSame) {
      this.#generation = known.generation;
      return known.generation;
    }
    const generation = randomUUID();
    onEvent(`embeddings: ${known === undefined ? 'on' : 'another model'}, ${settings.model} at ${settings.url}`);
    this.#generation = undefined;
    this.#questions.clear();
    const model = { model: settings.model, generation, dimensions: probe.length, probe: toBase64(probe) };
    await brain.run('embeddingStart', model);
    this.#generation = generation;
    return generation;
  }

  /** Undefined for a text that the model refuses by itself: it must not hold up the others for ever. */
  async #embedTexts(texts: readonly string[]): Promise<(Int8Array | undefined)[]> {
    if (texts.length === 0) return [];
    const { settings } = this.#options;
    try {
      return await embed(settings, texts, this.#within(BATCH_MS));
    } catch (error) {
      if (!(error instanceof EmbeddingFailure) || !error.isOfTexts) throw error;
      if (texts.length === 1) return [undefined];
    }
    const vectors: (Int8Array | undefined)[] = [];
    for (const text of texts) vectors.push(...(await this.#embedTexts([text])));
    return vectors;
  }

  #within(deadlineMs: number): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(deadlineMs)]);
  }

  /** Once for each reason, so that an address that is down for a night is one line in the log. */
  #noteFailure(error: unknown): void {
    const { settings, onEvent } = this.#options;
    const { message } = error as Error;
    if (message !== this.#logged) onEvent(`embeddings: ${settings.url}: ${message}`);
    this.#logged = message;
    this.#failure = error instanceof EmbeddingFailure ? error.told(settings.apiKey) : message;
    this.#state = 'failing';
    this.#isProbed = false;
  }
}
