/**
 * The host's side of the socket. Owns connections: who may speak (the secret in host.json), in which order, and how
 * much. Knows nothing of databases; it hands requests on.
 */
import { timingSafeEqual } from 'node:crypto';
import net from 'node:net';
import type { Brain } from '../brain/contract.ts';
import { SmError, toSmError } from '../core/errors.ts';
import type { EmbeddingFigures } from '../embeddings/service.ts';
import {
  type ClientMessage,
  encodeFrame,
  FRAME_BYTES_MAX,
  FrameReader,
  HELLO_BYTES_MAX,
  type HostMessage,
  WIRE_VERSION,
} from './frames.ts';

export const CONNECTIONS_MAX = 1_000;
const ALIVE_INTERVAL_MS = 2_000;
const HELLO_DEADLINE_MS = 10_000;
/** Requests under way on one connection; more of them wait in the socket. */
const REQUESTS_PER_CONNECTION_MAX = 64;

/** What a running host tells about itself. Times in milliseconds. */
export interface HostFigures {
  pid: number;
  version: string;
  startedAt: number;
  socket: string;
  rssBytes: number;
  /** Connections other than the asker's. */
  clients: number;
  requests: number;
  /** After this long without a client it ends. */
  idleMs: number;
  /** How often the database had to be opened anew. */
  storeRestarts: number;
  /** The address that makes vectors; null where none is configured. */
  embeddings: EmbeddingFigures | null;
}

export interface HostServerOptions {
  run: Brain['run'];
  version: string;
  secret: string;
  /** Figures for `sm host status`. */
  describe: () => HostFigures;
  /** Somebody asked the host to end; called once the answer is on its way. */
  onStop: (reason: string) => void;
}

export class HostServer {
  /** Requests answered since the start. */
  requests = 0;
  /** When somebody was last connected, by the monotonic clock. */
  lastActiveMs = performance.now();
  readonly #server: net.Server;
  readonly #connections = new Set<Connection>();
  readonly #options: HostServerOptions;

  constructor(options: HostServerOptions) {
    this.#options = options;
    this.#server = net.createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Whether any request is still to be answered. */
  get isBusy(): boolean {
    return [...this.#connections].some((connection) => connection.underWay > 0);
  }

  listen(socketPath: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.removeListener('error', reject);
        // One connection that cannot be accepted (no descriptors left) is its caller's trouble, who tries again.
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
  }

  /** Takes no more connections, and no more requests on those that are open. */
  stopAccepting(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.stopReading();
  }

  closeConnections(): void {
    for (const connection of this.#connections) connection.end();
  }

  #accept(socket: net.Socket): void {
    const connection = new Connection(socket, this.#options, () => {
      this.requests += 1;
      this.lastActiveMs = performance.now();
    });
    this.#connections.add(connection);
    this.lastActiveMs = performance.now();
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.lastActiveMs = performance.now();
    });
  }
}

class Connection {
  underWay = 0;
  readonly #socket: net.Socket;
  readonly #options: HostServerOptions;
  readonly #onAnswered: () => void;
  readonly #reader = new FrameReader(HELLO_BYTES_MAX);
  readonly #helloTimer: NodeJS.Timeout;
  #aliveTimer: NodeJS.Timeout | undefined;
  #isGreeted = false;
  #isStopped = false;

  constructor(socket: net.Socket, options: HostServerOptions, onAnswered: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#onAnswered = onAnswered;
    this.#helloTimer = setTimeout(() => socket.destroy(), HELLO_DEADLINE_MS);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('drain', () => !this.#isStopped && socket.resume());
    socket.on('close', () => {
      clearTimeout(this.#helloTimer);
      clearInterval(this.#aliveTimer);
    });
  }

  /** Whoever waits for the host to make room sees that it is alive. */
  stopReading(): void {
    this.#isStopped = true;
    this.#socket.pause();
    this.#startAlive();
  }

  end(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #read(chunk: Buffer): void {
    let messages: ClientMessage[];
    try {
      messages = this.#reader.push(chunk) as ClientMessage[];
    } catch {
      this.#socket.destroy(); // Not our protocol; there is nothing to say in it.
      return;
    }
    for (const message of messages) {
      if (this.#isStopped) return;
      if (!this.#isGreeted) this.#greet(message);
      else this.#dispatch(message);
    }
  }

  #greet(message: ClientMessage): void {
    clearTimeout(this.#helloTimer);
    const { version } = this.#options;
    if (message.type !== 'hello' || !isSameSecret(message.secret, this.#options.secret)) {
      this.#send({ type: 'refused', reason: 'secret', version, wire: WIRE_VERSION });
      this.end();
      return;
    }
    this.#isGreeted = true;
    this.#reader.frameBytesMax = FRAME_BYTES_MAX;
    if (message.wire === WIRE_VERSION) this.#send({ type: 'welcome', version, wire: WIRE_VERSION, pid: process.pid });
    else this.#send({ type: 'refused', reason: 'wire', version, wire: WIRE_VERSION });
  }

  #dispatch(message: ClientMessage): void {
    switch (message.type) {
      case 'run':
        void this.#run(message);
        return;
      case 'status':
        this.#send({ type: 'answer', id: message.id, answer: this.#options.describe() });
        return;
      case 'stop':
        this.#send({ type: 'answer', id: message.id, answer: { stopping: true } });
        this.#options.onStop('asked to stop');
        return;
      case 'handover':
        this.#options.onStop('a newer version takes over');
        return;
      case 'hello':
        return;
    }
  }

  async #run(message: Extract<ClientMessage, { type: 'run' }>): Promise<void> {
    this.underWay += 1;
    this.#startAlive();
    if (this.underWay >= REQUESTS_PER_CONNECTION_MAX || this.#socket.writableNeedDrain) this.#socket.pause();
    try {
      const answer = await this.#options.run(message.operation, message.request as never);
      this.#send({ type: 'answer', id: message.id, answer });
    } catch (error) {
      this.#send({ type: 'error', id: message.id, error: toSmError(error).toJSON() });
    }
    this.underWay -= 1;
    this.#onAnswered();
    if (this.underWay === 0 && !this.#isStopped) {
      clearInterval(this.#aliveTimer);
      this.#aliveTimer = undefined;
    }
    if (!this.#isStopped && !this.#socket.writableNeedDrain) this.#socket.resume();
  }

  #startAlive(): void {
    this.#aliveTimer ??= setInterval(() => this.#send({ type: 'alive' }), ALIVE_INTERVAL_MS);
  }

  #send(message: HostMessage): void {
    if (this.#socket.destroyed || !this.#socket.writable) return;
    try {
      this.#socket.write(encodeFrame(message));
    } catch (error) {
      if (!(error instanceof SmError) || message.type !== 'answer') throw error;
      this.#socket.write(encodeFrame({ type: 'error', id: message.id, error: error.toJSON() }));
    }
  }
}

function isSameSecret(given: unknown, secret: string): boolean {
  const a = Buffer.from(typeof given === 'string' ? given : '');
  const b = Buffer.from(secret);
  return a.length === b.length && timingSafeEqual(a, b);
}
