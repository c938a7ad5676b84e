/**
 * Web Push: tells browsers, also where the page is closed, that a session wants somebody. Owns `push.json` in the portal's
 * directory: the keys, which are made here, and the browsers that asked for it. What is sent is readable by that
 * browser alone; its push service learns that something was sent, and when.
 * Invariant: at most SUBSCRIPTIONS_MAX browsers, and one message a session and PAUSE_MS.
 */
import path from 'node:path';
import * as v from 'valibot';
import webPush from 'web-push';
import { writePrivateFile } from '../lib/host/private-file.ts';
import { readJson } from './access.ts';
import type { Attention } from './protocol.ts';

const SUBSCRIPTIONS_MAX = 20;
const PAUSE_MS = 10_000;
/** Sessions of which is remembered when they told last. */
const SESSIONS_MAX = 200;
const PATIENCE_MS = 10_000;
/** A message that the browser could not be given for so long is of no use any more, in seconds. */
const TTL_SECONDS = 6 * 3_600;
const ENDPOINT_CHARACTERS_MAX = 1_024;

const base64Url = v.pipe(v.string(), v.regex(/^[\w-]{16,128}={0,2}$/));
export const subscriptionSchema = v.object({
  endpoint: v.pipe(v.string(), v.maxLength(ENDPOINT_CHARACTERS_MAX), v.regex(/^https:\/\/[^\s/]+\//)),
  keys: v.object({ p256dh: base64Url, auth: base64Url }),
});
export type Subscription = v.InferOutput<typeof subscriptionSchema>;

const fileSchema = v.object({
  publicKey: v.string(),
  privateKey: v.string(),
  /** `subject`: the page's own origin, which push services want to know the sender by. */
  subscriptions: v.array(v.object({ ...subscriptionSchema.entries, subject: v.string() })),
});

export interface PushRim {
  fetch(address: string, init: RequestInit): Promise<{ status: number }>;
  nowMs(): number;
  log(message: string): void;
}

export class Push {
  readonly #file: string;
  readonly #rim: PushRim;
  #kept: v.InferOutput<typeof fileSchema> | undefined;
  readonly #toldMs = new Map<string, number>();

  constructor(directory: string, rim: PushRim) {
    this.#file = path.join(directory, 'push.json');
    this.#rim = rim;
  }

  get publicKey(): string {
    return this.#state().publicKey;
  }

  get subscriptions(): number {
    return this.#state().subscriptions.length;
  }

  /** The oldest one gives way where there are too many. */
  subscribe(subscription: Subscription, origin: string): void {
    const { subscriptions } = this.#state();
    const others = subscriptions.filter(({ endpoint }) => endpoint !== subscription.endpoint);
    this.#keep([...others, { ...subscription, subject: origin }].slice(-SUBSCRIPTIONS_MAX));
  }

  unsubscribe(endpoint: string): void {
    this.#keep(this.#state().subscriptions.filter((each) => each.endpoint !== endpoint));
  }

  /** Whoever was in is out: their browsers are told nothing any more. */
  forgetAll(): void {
    if (this.subscriptions > 0) this.#keep([]);
  }

  /** Resolves when all services have answered or were given up; a failure is logged, and nobody's trouble. */
  async tell(session: string, { kind, text }: Attention): Promise<void> {
    const { subscriptions } = this.#state();
    const nowMs = this.#rim.nowMs();
    if (subscriptions.length === 0 || nowMs - (this.#toldMs.get(session) ?? -Infinity) < PAUSE_MS) return;
    this.#toldMs.delete(session);
    this.#toldMs.set(session, nowMs);
    if (this.#toldMs.size > SESSIONS_MAX) this.#toldMs.delete(this.#toldMs.keys().next().value ?? '');
    const payload = JSON.stringify({ session, kind, text });
    await Promise.all(subscriptions.map((subscription) => this.#send(subscription, payload)));
  }

  async #send({ subject, ...subscription }: Subscription & { subject: string }, payload: string): Promise<void> {
    const { publicKey, privateKey } = this.#state();
    try {
      const vapidDetails = { subject, publicKey, privateKey };
      const options = {
        vapidDetails,
        TTL: TTL_SECONDS,
        urgency: 'high' as const,
        contentEncoding: 'aes128gcm' as const,
      };
      const { endpoint, method, headers, body } = webPush.generateRequestDetails(subscription, payload, options);
      const { status } = await this.#rim.fetch(endpoint, {
        method,
        headers,
        body: new Uint8Array(body),
        signal: AbortSignal.timeout(PATIENCE_MS),
        redirect: 'error',
      });
      // The browser has taken it back.
      if (status === 404 || status === 410) this.unsubscribe(subscription.endpoint);
      else if (status >= 400) throw new Error(`answered ${status}`);
    } catch (error) {
      const { host } = new URL(subscription.endpoint);
      this.#rim.log(`a push by ${host} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** As kept; made where there is none, or where it cannot be read as what it should be. */
  #state(): v.InferOutput<typeof fileSchema> {
    if (this.#kept !== undefined) return this.#kept;
    const read = v.safeParse(fileSchema, readJson(this.#file));
    this.#kept = read.success ? read.output : { ...webPush.generateVAPIDKeys(), subscriptions: [] };
    if (!read.success) this.#write();
    return this.#kept;
  }

  #keep(subscriptions: v.InferOutput<typeof fileSchema>['subscriptions']): void {
    this.#kept = { ...this.#state(), subscriptions };
    this.#write();
  }

  #write(): void {
    writePrivateFile(this.#file, `${JSON.stringify(this.#kept)}\n`);
  }
}
