/**
 * The page's end of the WebSocket: says hello, comes back when the network does, asks for exactly what it missed, tells
 * what was parsed, and sends input within its credit. Knows nothing of the screen but what `LinkScreen` says.
 * Invariant: input is sent in order, once; output is handed on in order, once.
 */
import { CLOSE, INPUT_CREDIT_BYTES, PROTOCOL_VERSION } from '../protocol.ts';
import type { ClientMessage, Problem, ServerMessage } from '../protocol.ts';

export type LinkState = 'connecting' | 'open' | 'waiting' | 'ended';

export interface LinkScreen {
  readonly columns: number;
  readonly rows: number;
  /** An empty screen: a whole one follows. */
  reset(): void;
  write(bytes: Uint8Array, parsed: () => void): void;
}

export interface LinkEvents {
  state(state: LinkState, roundTripMs: number | undefined): void;
  message(message: ServerMessage): void;
  /** Trying again by itself would not help. */
  stopped(problem: Problem): void;
  loggedOut(): void;
}

export interface Place {
  id: string;
  key: string;
  seq: number;
}

/** Parsed bytes are told at least after so many; sooner where nothing waits. */
const ACK_BYTES = 16 * 1024;
const INPUT_SLICE_BYTES = 16 * 1024;
/** What waits to be sent, as while the network is away; more is refused rather than kept. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_MAX_MS = 8_000;
const PING_INTERVAL_MS = 5_000;
/** Without an answer for this long the connection is given up. */
const PONG_PATIENCE_MS = 6_000;
const OPEN_PATIENCE_MS = 10_000;

export class Link {
  readonly #screen: LinkScreen;
  readonly #events: LinkEvents;
  #session: string | undefined;
  #socket: WebSocket | undefined;
  #state: LinkState = 'connecting';
  #place: Place | undefined;
  #parsedSeq = 0;
  #ackedSeq = 0;
  /** Writes that the terminal has not parsed; those of an earlier attachment count for nothing. */
  #pendingWrites = 0;
  #epoch = 0;
  #isSeated = false;
  #attempt = 0;
  #retryTimer: number | undefined;
  #pingTimer: number | undefined;
  #pongTimer: number | undefined;
  #pingedMs = 0;
  #pingId = 0;
  #roundTripMs: number | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #creditBytes = INPUT_CREDIT_BYTES;

  constructor(screen: LinkScreen, events: LinkEvents) {
    this.#screen = screen;
    this.#events = events;
    addEventListener('online', () => this.wake());
    addEventListener('pageshow', () => this.wake());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.wake());
  }

  get session(): string | undefined {
    return this.#session;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Where it is, for a page that is loaded anew; undefined where nothing could be gone on from. */
  get place(): Place | undefined {
    return this.#place === undefined ? undefined : { ...this.#place, seq: this.#parsedSeq };
  }

  /** Connects, to that session, or to the one that the portal shows first. */
  open(session: string | undefined, place?: Place): void {
    this.#session = session;
    this.#place = place;
    this.#parsedSeq = place?.seq ?? 0;
    this.#attempt = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connect();
  }

  /** Now rather than when the back-off ends; and where it seems to be open, is it? */
  wake(): void {
    if (this.#state === 'waiting') {
      this.#attempt = 0;
      this.#connect();
    } else if (this.#state === 'open' && this.#pongTimer === undefined) this.#ping();
  }

  input(text: string): void {
    this.inputBytes(new TextEncoder().encode(text));
  }

  inputBytes(bytes: Uint8Array): void {
    if (this.#state === 'ended' || this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) return;
    for (let at = 0; at < bytes.length; at += INPUT_SLICE_BYTES)
      this.#waiting.push(bytes.slice(at, at + INPUT_SLICE_BYTES));
    this.#waitingBytes += bytes.length;
    this.#sendInput();
  }

  send(message: ClientMessage): void {
    if (this.#isSeated) this.#socket?.send(JSON.stringify(message));
  }

  #connect(): void {
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#setState('connecting');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const patience = setTimeout(() => socket.close(), OPEN_PATIENCE_MS);
    socket.addEventListener('open', () => {
      clearTimeout(patience);
      const { columns, rows } = this.#screen;
      const hello: ClientMessage = {
        t: 'hello',
        version: PROTOCOL_VERSION,
        ...(this.#session === undefined ? {} : { session: this.#session }),
        columns,
        rows,
        ...(this.#place === undefined ? {} : { resume: this.#place }),
      };
      socket.send(JSON.stringify(hello));
    });
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.#socket) return;
      if (typeof data === 'string') this.#take(JSON.parse(data) as ServerMessage);
      else this.#show(new Uint8Array(data));
    });
    socket.addEventListener('close', ({ code }) => {
      clearTimeout(patience);
      if (socket === this.#socket) this.#lost(code);
    });
  }

  #take(message: ServerMessage): void {
    if (message.t === 'pong') return this.#ponged(message.id);
    if (message.t === 'took') {
      this.#creditBytes += message.bytes;
      return this.#sendInput();
    }
    if (message.t === 'attached') this.#attached(message);
    else if (message.t === 'ended') {
      this.#place = undefined;
      this.#setState('ended');
    } else if (message.t === 'problem' && !this.#isSeated) {
      this.#place = undefined;
      this.#setState('ended');
      this.#events.stopped(message);
    } else if (message.t === 'renamed' && message.name === this.#session) this.#session = message.to;
    this.#events.message(message);
  }

  #attached({ id, key, seq, mode, session }: ServerMessage & { t: 'attached' }): void {
    if (mode === 'fresh') {
      this.#epoch += 1;
      this.#pendingWrites = 0;
      this.#parsedSeq = seq;
      this.#screen.reset();
    }
    this.#ackedSeq = seq;
    this.#place = { id, key, seq };
    this.#session = session;
    this.#isSeated = true;
    this.#attempt = 0;
    this.#creditBytes = INPUT_CREDIT_BYTES;
    this.#setState('open');
    const { columns, rows } = this.#screen;
    this.send({ t: 'resize', columns, rows });
    this.#sendInput();
    this.#ping();
  }

  #show(bytes: Uint8Array): void {
    if (this.#place === undefined) return;
    this.#place.seq += bytes.length;
    this.#pendingWrites += 1;
    const epoch = this.#epoch;
    this.#screen.write(bytes, () => {
      if (epoch !== this.#epoch) return;
      this.#parsedSeq += bytes.length;
      this.#pendingWrites -= 1;
      if (this.#parsedSeq - this.#ackedSeq >= ACK_BYTES || this.#pendingWrites === 0) this.#acknowledge();
    });
  }

  #acknowledge(): void {
    // After a reconnection the server counts from what had arrived, of which some was still to be parsed.
    if (!this.#isSeated || this.#parsedSeq <= this.#ackedSeq) return;
    this.#ackedSeq = this.#parsedSeq;
    this.send({ t: 'ack', seq: this.#parsedSeq });
  }

  #sendInput(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#isSeated; next = this.#waiting[0]) {
      if (next.length > this.#creditBytes || this.#socket?.readyState !== WebSocket.OPEN) return;
      this.#socket.send(next as Uint8Array<ArrayBuffer>);
      this.#creditBytes -= next.length;
      this.#waitingBytes -= next.length;
      this.#waiting.shift();
    }
  }

  #ping(): void {
    clearTimeout(this.#pingTimer);
    if (!this.#isSeated) return;
    this.#pingId += 1;
    this.#pingedMs = performance.now();
    this.send({ t: 'ping', id: this.#pingId });
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#lost(CLOSED_WITHOUT_A_WORD), PONG_PATIENCE_MS);
  }

  #ponged(id: number): void {
    if (id !== this.#pingId) return;
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
    this.#roundTripMs = performance.now() - this.#pingedMs;
    this.#events.state(this.#state, this.#roundTripMs);
    // A page that nobody sees asks nothing; it asks when it is seen again.
    if (document.visibilityState === 'visible') this.#pingTimer = setTimeout(() => this.#ping(), PING_INTERVAL_MS);
  }

  #lost(code: number): void {
    this.#drop();
    if (this.#state === 'ended') return;
    if (code === CLOSE.loggedOut) return this.#events.loggedOut();
    if (code === CLOSE.refused || code === CLOSE.protocolError) {
      this.#setState('ended');
      return this.#events.stopped({
        code: 'refused',
        message: 'The portal has ended this connection.',
        hint: 'Reload the page.',
      });
    }
    // Another tab has this attachment, as after one was duplicated: this one gets its own.
    if (code === CLOSE.taken) this.#place = undefined;
    this.#setState('waiting');
    const delayMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** this.#attempt) * (0.5 + Math.random() / 2);
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => void this.#retry(), delayMs);
  }

  /** A handshake that is refused tells a page nothing; whether it is the login, asking for the page does. */
  async #retry(): Promise<void> {
    try {
      const answer = await fetch('/', { method: 'HEAD', cache: 'no-store' });
      if (answer.status === 401) return this.#events.loggedOut();
    } catch {
      // No network, or no portal: the handshake finds out the same.
    }
    if (this.#state === 'waiting') this.#connect();
  }

  /** Lets go of the socket; what it still says is not heard. */
  #drop(): void {
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    this.#pongTimer = undefined;
    this.#isSeated = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** Leaves the session for good, so that nothing is kept for this page. */
  close(): void {
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#place = undefined;
    this.#setState('ended');
  }

  #setState(state: LinkState): void {
    this.#state = state;
    this.#events.state(state, state === 'open' ? this.#roundTripMs : undefined);
  }
}

const CLOSED_WITHOUT_A_WORD = 1006;
