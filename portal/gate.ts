/**
 * Stands between the server's `upgrade` event and @hono/node-ws, which dies of a path that is no URL, of a refused socket
 * that is reset, and keeps what belongs to a handshake that fails. Nothing reaches it that is not a well-formed
 * WebSocket handshake of a peer, host, origin and login that are allowed.
 * Invariant: every socket has a listener for errors from the start, and is either handed on or destroyed.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

export const SOCKET_PATH = '/ws';
/** Handshakes that wait for a verdict; it takes microseconds, so that many are an attack. */
const PENDING_MAX = 64;
/** How long a refused peer may take to read why, in milliseconds. */
const REFUSAL_PATIENCE_MS = 2_000;
const TARGET_CHARACTERS_MAX = 512;
const KEY = /^[A-Za-z0-9+/]{22}==$/;

export type Verdict = 'welcome' | { status: 400 | 401 | 403 | 404 | 429 | 503; why: string };
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => unknown;

export interface GateRim {
  /** Peer, host, origin and login. */
  judge(request: IncomingMessage): Promise<Verdict>;
  /** Takes the handshakes that are welcome: @hono/node-ws, or what will come after it. */
  handOver: Upgrade;
  /** Told of each that is refused. */
  onRefusal(request: IncomingMessage, why: string): void;
}

export class Gate {
  readonly #rim: GateRim;
  #pending = 0;

  constructor(rim: GateRim) {
    this.#rim = rim;
  }

  get pending(): number {
    return this.#pending;
  }

  guard(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // First of all: a peer that resets what is refused would end the process.
      socket.on('error', () => socket.destroy());
      void this.#decide(request, socket, head);
    });
  }

  async #decide(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (this.#pending >= PENDING_MAX) return refuse(socket, 503);
    this.#pending += 1;
    try {
      const verdict = isHandshake(request)
        ? await this.#rim.judge(request)
        : { status: 400 as const, why: 'no WebSocket handshake' };
      if (verdict !== 'welcome') {
        this.#rim.onRefusal(request, verdict.why);
        return refuse(socket, verdict.status);
      }
      // From here to the handshake's answer there are only microtasks, so that it cannot go away in between.
      if (socket.destroyed || !socket.readable || !socket.writable) return void socket.destroy();
      // None is used, and what the library cannot parse it must not see.
      delete request.headers['sec-websocket-extensions'];
      await this.#rim.handOver(request, socket, head);
    } catch {
      refuse(socket, 503); // Whatever it was concerns this one handshake.
    } finally {
      this.#pending -= 1;
    }
  }
}

/** All that a WebSocket library would refuse later, when it can no longer let go of it. */
function isHandshake(request: IncomingMessage): boolean {
  const { method, url = '', headers, httpVersionMajor, httpVersionMinor } = request;
  return (
    method === 'GET' &&
    httpVersionMajor === 1 &&
    httpVersionMinor >= 1 &&
    url.length <= TARGET_CHARACTERS_MAX &&
    (url === SOCKET_PATH || /^\/ws\?[\w~.%=&-]*$/.test(url)) &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    KEY.test(headers['sec-websocket-key'] ?? '') &&
    headers['sec-websocket-protocol'] === undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  );
}

function refuse(socket: Duplex, status: number): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), REFUSAL_PATIENCE_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
