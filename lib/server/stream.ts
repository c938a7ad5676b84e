/**
 * The stream that tells brains of a moved cursor (server-sent events). Each connection remembers only the newest cursor
 * that it has not told yet, so that one that reads slowly holds nothing up and takes no memory. Owns the connections'
 * ends: a revoked key, a reader that is gone or stuck, and the server's own end.
 */
import { SmError } from '../core/errors.ts';
import type { Caller, ServerContext } from './context.ts';
import { DEFAULT_LIMITS } from './context.ts';
import type { StoreEvent } from './store.ts';

/** Heart-beats that a reader may leave unread before it counts as gone. */
const UNREAD_HEARTBEATS_MAX = 4;

const encoder = new TextEncoder();

/** One connection. */
class PokeStream {
  readonly caller: Caller;
  readonly body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #newest: number;
  #told: number;
  #unreadHeartbeats = 0;
  readonly #onEnd: (stream: PokeStream) => void;

  constructor(caller: Caller, lastCursorTold: number, onEnd: (stream: PokeStream) => void) {
    this.caller = caller;
    this.#newest = lastCursorTold;
    this.#told = lastCursorTold;
    this.#onEnd = onEnd;
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          controller.enqueue(encoder.encode(': welcome\n\n'));
        },
        pull: () => this.#flush(),
        cancel: () => this.end(),
      },
      { highWaterMark: 4 },
    );
  }

  poke(cursor: number): void {
    this.#newest = Math.max(this.#newest, cursor);
    this.#flush();
  }

  heartbeat(): void {
    if (this.#hasRoom()) {
      this.#unreadHeartbeats = 0;
      this.#controller?.enqueue(encoder.encode(':\n\n'));
      return;
    }
    this.#unreadHeartbeats += 1;
    if (this.#unreadHeartbeats > UNREAD_HEARTBEATS_MAX) this.end();
  }

  end(): void {
    if (this.#controller === undefined) return;
    const controller = this.#controller;
    this.#controller = undefined;
    this.#onEnd(this);
    try {
      controller.close();
    } catch {
      // Its reader has cancelled it already.
    }
  }

  #flush(): void {
    if (this.#newest <= this.#told || !this.#hasRoom()) return;
    this.#told = this.#newest;
    const data = JSON.stringify({ serverCursor: this.#told });
    this.#controller?.enqueue(encoder.encode(`event: cursor\nid: ${this.#told}\ndata: ${data}\n\n`));
  }

  #hasRoom(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0;
  }
}

export class Streams {
  readonly #context: ServerContext;
  readonly #streams = new Set<PokeStream>();
  #unwatch: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(context: ServerContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#streams.size;
  }

  /** @throws SmError `rate_limited` where the key has as many as it may, `unavailable` where the server is ending */
  async open(caller: Caller, lastEventId: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    this.#requireRoom(caller);
    this.#begin();
    const stream = new PokeStream(caller, lastEventId, (ended) => this.#forget(ended));
    this.#streams.add(stream);
    signal.addEventListener('abort', () => stream.end(), { once: true });
    if (signal.aborted) stream.end();
    try {
      // Read after the watch began: what comes between is told twice rather than never.
      stream.poke(await this.#context.store.lastCursor(caller.workspaceId));
    } catch (error) {
      stream.end();
      throw error;
    }
    return stream.body;
  }

  /** Ends all, and lets none begin. */
  end(): void {
    this.#isEnded = true;
    for (const stream of [...this.#streams]) stream.end();
  }

  #requireRoom(caller: Caller): void {
    if (this.#isEnded) throw new SmError({ code: 'unavailable', message: 'The server is ending; come again.' });
    const { streamsPerKey, streamsMax } = this.#context.limits === 'none' ? DEFAULT_LIMITS : this.#context.limits;
    const own = [...this.#streams].filter((stream) => stream.caller.prefix === caller.prefix).length;
    if (own < streamsPerKey && this.#streams.size < streamsMax) return;
    throw new SmError({
      code: 'rate_limited',
      message: own < streamsPerKey ? 'The server has no stream left.' : `This key has ${own} streams open already.`,
      details: { retryAfterS: 60 },
    });
  }

  #begin(): void {
    this.#unwatch ??= this.#context.store.watch((event) => this.#onEvent(event));
    this.#timer ??= setInterval(() => {
      for (const stream of [...this.#streams]) stream.heartbeat();
    }, this.#context.heartbeatMs).unref();
  }

  #forget(stream: PokeStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #onEvent(event: StoreEvent): void {
    switch (event.kind) {
      case 'cursor':
        for (const stream of this.#streams) {
          if (stream.caller.workspaceId === event.workspaceId) stream.poke(event.cursor);
        }
        return;
      case 'revoked':
        for (const stream of [...this.#streams]) if (stream.caller.prefix === event.prefix) stream.end();
        return;
      case 'all':
        void this.#catchUp();
    }
  }

  /** Something may have been missed: every stream is brought up to date, and those of revoked keys end. */
  async #catchUp(): Promise<void> {
    const { store, nowMs, log } = this.#context;
    for (const stream of [...this.#streams]) {
      try {
        const key = await store.findKey(stream.caller.hash, nowMs());
        if (key === undefined || key.isRevoked) stream.end();
        else stream.poke(await store.lastCursor(stream.caller.workspaceId));
      } catch (error) {
        log.warn({ err: error }, 'a stream could not be brought up to date, and was ended');
        stream.end();
      }
    }
  }
}
