/**
 * Everybody who is connected: their WebSockets, from the handshake that was judged to the goodbye. Owns who is there, ends
 * those whose login has expired or whose peer is gone without a word, and notes who came and went.
 */
import type { IncomingMessage, Server } from 'node:http';
import { createNodeWebSocket } from '@hono/node-ws';
import { Hono } from 'hono';
import type { WSContext } from 'hono/ws';
import type { WebSocket } from 'ws';
import { toSmError } from '../lib/core/errors.ts';
import type { Principal } from './access.ts';
import type { AuditLog } from './audit.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { type Judged, peerOf, PRINCIPAL } from './doorkeeper.ts';
import { SOCKET_PATH, type Upgrade } from './gate.ts';
import type { Env } from './http.ts';
import type { Hub } from './hub.ts';
import { CLOSE, INPUT_FRAME_BYTES_MAX, type ServerMessage } from './protocol.ts';
import type { Whois } from './tailscale.ts';

const HEARTBEAT_MS = 15_000;
/** A WebSocket that does not answer a close is cut off after this. */
const CLOSE_PATIENCE_MS = 1_000;
/** A message may come in pieces, but not in crumbs. */
const FRAGMENTS_MAX = 64;
/** A page that closes its socket itself, or is closed. */
const GOODBYES: readonly number[] = [1000, 1001];
/** The longest that a timer waits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export interface ViewersOptions {
  hub: Hub;
  audit: AuditLog;
  /** The session that is shown first. */
  session: string;
  nowMs(): number;
  /** Who is behind a request, by the tailnet's account. */
  whoIs(request: IncomingMessage): Promise<Whois | undefined>;
  onFailure: ConnectionOptions['onFailure'];
}

/** Somebody who is connected, for the portal's status. */
export interface ViewerStatus {
  session: string;
  peer: string;
  login: string | null;
  readOnly: boolean;
  since: number;
}

interface Viewing {
  connection: Connection;
  socket: WebSocket;
  peer: string;
  login: string | undefined;
  /** Where it was let in. */
  session: string | undefined;
  sinceMs: number;
  isAlive: boolean;
  expiry: NodeJS.Timeout | undefined;
}

export class Viewers {
  /** Takes over the socket of a handshake that was let in. */
  readonly handOver: Upgrade;
  readonly #options: ViewersOptions;
  readonly #viewing = new Set<Viewing>();
  #heart: NodeJS.Timeout | undefined;

  constructor(options: ViewersOptions) {
    this.#options = options;
    this.handOver = this.#webSockets();
  }

  get count(): number {
    return this.#viewing.size;
  }

  start(): void {
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  describe(): ViewerStatus[] {
    return [...this.#viewing].map(({ connection, peer, login, sinceMs }) => ({
      session: connection.session ?? '',
      peer,
      login: login ?? null,
      readOnly: connection.principal.isReadOnly,
      since: sinceMs,
    }));
  }

  /** To all who may see that session. */
  tell(message: ServerMessage & { session: string }): void {
    for (const { connection } of this.#viewing) connection.tell(message);
  }

  closeAll(code: number, reason: string): void {
    for (const { connection } of this.#viewing) connection.close(code, reason);
  }

  /** The same for good: sockets that do not answer are cut off. */
  end(code: number, reason: string): void {
    clearInterval(this.#heart);
    for (const { connection, socket } of this.#viewing) {
      connection.close(code, reason);
      setTimeout(() => socket.terminate(), CLOSE_PATIENCE_MS).unref();
    }
  }

  /** @hono/node-ws, and an application for it alone, since what it asks has been judged. */
  #webSockets(): Upgrade {
    const app = new Hono<Env>();
    const sockets = createNodeWebSocket({ app });
    Object.assign(sockets.wss.options, { maxPayload: INPUT_FRAME_BYTES_MAX, maxFragments: FRAGMENTS_MAX });
    app.get(
      SOCKET_PATH,
      sockets.upgradeWebSocket((c) => this.#events(c.env.incoming as Judged), {
        onError: (error) => this.#options.onFailure(toSmError(error)),
      }),
    );
    const listeners: Upgrade[] = [];
    sockets.injectWebSocket({
      on: (_event: string, listener: Upgrade) => listeners.push(listener),
    } as unknown as Server);
    return (request, socket, head) => listeners[0]?.(request, socket, head);
  }

  #events(request: Judged) {
    const principal = request[PRINCIPAL];
    if (principal === undefined) throw new Error('a request came past the gate');
    let viewing: Viewing | undefined;
    return {
      onOpen: (_event: unknown, context: WSContext) => {
        viewing = this.#welcome(request, principal, context.raw as WebSocket);
      },
      onMessage: ({ data }: { data: unknown }) => {
        if (typeof data === 'string') viewing?.connection.text(data);
        else viewing?.connection.bytes(Buffer.from(data as ArrayBuffer));
      },
      onClose: ({ code }: { code: number }) => {
        if (viewing !== undefined) this.#farewell(viewing, GOODBYES.includes(code));
      },
    };
  }

  #welcome(request: IncomingMessage, principal: Principal, socket: WebSocket): Viewing {
    const { hub, onFailure } = this.#options;
    const peer = peerOf(request);
    const who = this.#options.whoIs(request);
    const connection = new Connection({
      hub,
      principal,
      session: this.#options.session,
      viewerName: who.then((known) => known?.login),
      wire: {
        get waitingBytes() {
          return socket.bufferedAmount;
        },
        sendText: (text) => socket.send(text),
        sendBytes: (bytes) => socket.send(bytes),
        close: (code, reason) => socket.close(code, reason),
      },
      onSeated: (session, mode) => {
        viewing.session = session;
        const fields = { peer, session, mode, readOnly: principal.isReadOnly };
        this.#options.audit.write('connected', {
          ...fields,
          login: viewing.login,
          agent: request.headers['user-agent'],
        });
      },
      onFailure,
    });
    const viewing: Viewing = {
      connection,
      socket,
      peer,
      login: undefined,
      session: undefined,
      sinceMs: this.#options.nowMs(),
      isAlive: true,
      expiry: undefined,
    };
    void who.then((known) => (viewing.login = known?.login));
    socket.on('pong', () => (viewing.isAlive = true));
    // What a library makes of a broken frame or a reset is followed by its close.
    socket.on('error', () => undefined);
    const leftMs = principal.expiresMs - this.#options.nowMs();
    viewing.expiry = setTimeout(
      () => connection.close(CLOSE.loggedOut, 'the login has expired'),
      Math.min(leftMs, TIMER_MS_MAX),
    );
    viewing.expiry.unref();
    this.#viewing.add(viewing);
    return viewing;
  }

  #farewell(viewing: Viewing, isFarewell: boolean): void {
    if (!this.#viewing.delete(viewing)) return;
    clearTimeout(viewing.expiry);
    viewing.connection.gone(isFarewell);
    const { peer, session, login } = viewing;
    if (session !== undefined) this.#options.audit.write('disconnected', { peer, session, login });
  }

  /** Ends connections whose peer has gone without a word, as a phone does. */
  #beat(): void {
    for (const viewing of this.#viewing) {
      if (!viewing.isAlive) {
        viewing.socket.terminate();
        continue;
      }
      viewing.isAlive = false;
      viewing.socket.ping();
    }
  }
}
