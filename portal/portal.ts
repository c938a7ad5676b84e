/**
 * Puts the parts together: the app, the gate before the WebSocket, the hub behind it, and the servers that listen on the
 * addresses that there are. Owns what is alive: servers, sockets, timers. `close` ends all of it.
 */
import type { IncomingMessage, Server } from 'node:http';
import os from 'node:os';
import { createNodeWebSocket } from '@hono/node-ws';
import { Hono } from 'hono';
import type { WSContext } from 'hono/ws';
import type { WebSocket } from 'ws';
import { toSmError } from '../lib/core/errors.ts';
import { version } from '../lib/core/version.ts';
import { Access, type Principal, type Share } from './access.ts';
import { createPortalApp } from './app.ts';
import type { Assets } from './assets.ts';
import { AuditLog } from './audit.ts';
import { type BrainRim, BrainWindow } from './brain-window.ts';
import { Connection } from './connection.ts';
import { Doorkeeper, type Judged, peerOf, PRINCIPAL } from './doorkeeper.ts';
import { Gate, SOCKET_PATH, type Upgrade } from './gate.ts';
import type { Env } from './http.ts';
import { Hub, type SessionSource } from './hub.ts';
import { Listeners } from './listeners.ts';
import { type Attention, CLOSE, INPUT_FRAME_BYTES_MAX, type SessionInfo } from './protocol.ts';
import { Push, type PushRim } from './push.ts';
import { HOLD_MS } from './session.ts';
import { TmuxSource } from './sources.ts';
import type { Tailscale } from './tailscale.ts';
import { Watch } from './watch.ts';
import { Watchers } from './watchers.ts';

const HEARTBEAT_MS = 15_000;
/** A WebSocket that does not answer a close is cut off after this. */
const CLOSE_PATIENCE_MS = 1_000;
/** A message may come in pieces, but not in crumbs. */
const FRAGMENTS_MAX = 64;

export interface PortalOptions {
  directory: string;
  source: SessionSource;
  /** The session that is shown first. */
  session: string;
  assets: Assets;
  brain: BrainRim;
  tailscale: Tailscale;
  port: number;
  host?: string;
  hasAuth: boolean;
  isReadOnly: boolean;
  /** Accounts of the tailnet that may come; empty for all. */
  allowed: readonly string[];
  /** Names beside this machine's own by which it is asked. */
  hostNames: readonly string[];
  nowMs(): number;
  log(message: string): void;
  tailnet?: (tailscale: Tailscale) => Promise<string[]>;
  addressIntervalMs?: number;
  /** How pushes are sent; by HTTPS, but for tests. */
  pushFetch?: PushRim['fetch'];
  /** Silence after which a session's screen is looked at, in milliseconds. */
  quietMs?: number;
}

export interface PortalStatus {
  version: string;
  addresses: string[];
  session: string;
  sessions: { name: string; viewers: number; activityAt: number; attention: Attention | null }[];
  viewers: { session: string; peer: string; login: string | null; readOnly: boolean; since: number }[];
  startedAt: number;
  uptimeMs: number;
  rssBytes: number;
  auth: boolean;
  readOnly: boolean;
  problems: string[];
}

interface Live {
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

/** A page that closes its socket itself, or is closed. */
const GOODBYES: readonly number[] = [1000, 1001];

export class Portal {
  readonly access: Access;
  readonly #options: PortalOptions;
  readonly #audit: AuditLog;
  readonly hub: Hub;
  readonly brain: BrainWindow;
  readonly push: Push;
  /** None without tmux, where a session is its viewer's. */
  readonly watch: Watch | undefined;
  readonly #door: Doorkeeper;
  readonly #gate: Gate;
  readonly #listeners: Listeners;
  readonly #names = new Set<string>();
  readonly #live = new Set<Live>();
  readonly #problems = new Map<string, string>();
  readonly #startedMs: number;
  #heart: NodeJS.Timeout | undefined;

  constructor(options: PortalOptions) {
    this.#options = options;
    const { directory, tailscale, tailnet, port, host, hasAuth, isReadOnly, allowed } = options;
    const nowMs = () => options.nowMs();
    this.#startedMs = nowMs();
    this.access = new Access(directory, nowMs);
    this.brain = new BrainWindow(options.brain);
    this.push = new Push(directory, {
      fetch: options.pushFetch ?? ((address, init) => fetch(address, init)),
      nowMs,
      log: (message) => options.log(message),
    });
    this.#audit = new AuditLog(directory, nowMs, (message) => options.log(message));
    this.hub = new Hub(options.source, {
      nowMs: () => performance.now(),
      soon: (run) => void setImmediate(run),
      later: (run) => void setTimeout(run, HOLD_MS),
      attentionOf: (name) => this.watch?.wants(name),
      seen: (name) => this.watch?.seen(name),
      historyOf: (name) => this.watch?.historyOf(name),
    });
    this.watch = options.source instanceof TmuxSource ? this.#watchOver(options.source) : undefined;
    for (const name of [...options.hostNames, os.hostname()]) this.#names.add(name.toLowerCase());
    this.#gate = new Gate({
      judge: (request) => this.#door.judge(request),
      handOver: this.#webSockets(),
      onRefusal: (request, why) => this.#audit.write('refused', { peer: peerOf(request), why }),
    });
    // Cookies do not differ by port, so their names do.
    const cookieName = `sm_portal_${port}`;
    this.#listeners = new Listeners({
      fetch: (request, env) => app.fetch(request, env),
      guard: (server) => this.#gate.guard(server),
      ...{ tailscale, tailnet, port, host, intervalMs: options.addressIntervalMs },
      log: (message) => options.log(message),
      problem: (about, message) => this.noteProblem(about, message),
      onFollow: () => this.#learnNames(),
    });
    const names = { names: this.#names, isOpen: this.#listeners.isOpen };
    const { access } = this;
    this.#door = new Doorkeeper({ access, tailscale, names, cookieName, hasAuth, isReadOnly, allowed });
    const app = createPortalApp({
      ...{ access, names, cookieName, assets: options.assets, audit: this.#audit, limits: this.#door.limits },
      ...{ brain: this.brain, push: this.push, nowMs, isReadOnly, isOpenToAll: !hasAuth },
      isAccountAllowed: (request) => this.#door.isAccountAllowed(request),
    });
  }

  /** Handshakes that are being judged. */
  get pendingHandshakes(): number {
    return this.#gate.pending;
  }

  get port(): number {
    return this.#listeners.port;
  }

  /** @throws SmError `exists` where the port is taken, `bad_request` where the host is none */
  async start(): Promise<void> {
    await this.#listeners.start();
    this.#audit.write('started', { addresses: this.addresses().join(' '), pid: process.pid });
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.watch?.start();
  }

  /** Where it answers, best for another device first. */
  addresses(): string[] {
    const names = [...this.#names].filter((name) => name.endsWith('.ts.net'));
    const hosts = [...(this.#listeners.hasTailnet ? names : []), ...this.#listeners.hosts];
    return hosts.map((host) => `http://${host}:${this.port}/`);
  }

  async status(): Promise<PortalStatus> {
    const nowMs = this.#options.nowMs();
    const sessions = await this.#sessions();
    return {
      version,
      addresses: this.addresses(),
      session: this.#options.session,
      sessions: sessions.map(({ name, viewers, activityMs, attention }) => ({
        name,
        viewers,
        activityAt: activityMs,
        attention: attention ?? null,
      })),
      viewers: [...this.#live].map(({ connection, peer, login, sinceMs }) => ({
        session: connection.session ?? '',
        peer,
        login: login ?? null,
        readOnly: connection.principal.isReadOnly,
        since: sinceMs,
      })),
      startedAt: this.#startedMs,
      uptimeMs: nowMs - this.#startedMs,
      rssBytes: process.memoryUsage.rss(),
      auth: this.#options.hasAuth,
      readOnly: this.#options.isReadOnly,
      problems: [...this.#problems.values()],
    };
  }

  /** None where tmux does not answer, which is a problem to be told, and no reason to tell nothing. */
  async #sessions(): Promise<SessionInfo[]> {
    try {
      const sessions = await this.hub.list();
      this.noteProblem('tmux', undefined);
      return sessions;
    } catch (error) {
      this.noteProblem('tmux', toSmError(error).message);
      return [];
    }
  }

  /** Another token; all who are in are out at once. */
  rotate(): string {
    const token = this.access.rotate();
    this.#audit.write('rotated', { viewers: this.#live.size });
    if (this.#options.hasAuth) {
      for (const { connection } of this.#live) connection.close(CLOSE.loggedOut, 'the token was changed');
      this.hub.closeAll();
      this.push.forgetAll();
    }
    return token;
  }

  share(session: string, ageMs: number): Share {
    const share = this.access.share(session, ageMs);
    this.#audit.write('shared', { session, until: new Date(share.expiresMs).toISOString() });
    return share;
  }

  noteProblem(about: string, message: string | undefined): void {
    if (message === undefined) this.#problems.delete(about);
    else this.#problems.set(about, message);
  }

  async close(): Promise<void> {
    clearInterval(this.#heart);
    for (const live of this.#live) {
      live.connection.close(CLOSE.restarting, 'the portal is being restarted');
      setTimeout(() => live.socket.terminate(), CLOSE_PATIENCE_MS).unref();
    }
    this.hub.closeAll();
    await this.watch?.close();
    this.brain.close();
    await this.#listeners.close();
    this.#audit.write('stopped', {});
  }

  /** The tailnet's name for this machine, by which its devices ask. */
  async #learnNames(): Promise<void> {
    const self = await this.#options.tailscale.self();
    if (self?.name !== undefined) this.#names.add(self.name).add(self.name.replace(/\..*$/, ''));
  }

  #watchOver({ tmux }: TmuxSource): Watch {
    const watchers = new Watchers(this.#options.directory);
    return new Watch({
      endOrphans: () => watchers.endOrphans(() => tmux.controlClients()),
      noteWatchers: (pids) => watchers.note(pids),
      list: async () => {
        await this.hub.follow();
        return tmux.list();
      },
      controlArgv: (name) => tmux.controlArgv(name),
      screen: (name) => tmux.screen(name),
      nowMs: () => this.#options.nowMs(),
      quietMs: this.#options.quietMs,
      onAttention: (session, attention) => {
        for (const { connection } of this.#live) connection.tell({ t: 'attention', session, attention });
        void this.push.tell(session, attention);
      },
    });
  }

  /** @hono/node-ws, and an application for it alone, since what it asks has been judged. */
  #webSockets(): Upgrade {
    const app = new Hono<Env>();
    const sockets = createNodeWebSocket({ app });
    Object.assign(sockets.wss.options, { maxPayload: INPUT_FRAME_BYTES_MAX, maxFragments: FRAGMENTS_MAX });
    app.get(
      SOCKET_PATH,
      sockets.upgradeWebSocket((c) => this.#events(c.env.incoming as Judged), {
        onError: (error) => this.#report('a viewer', error),
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
    let live: Live | undefined;
    return {
      onOpen: (_event: unknown, context: WSContext) => {
        live = this.#welcome(request, principal, context.raw as WebSocket);
      },
      onMessage: ({ data }: { data: unknown }) => {
        if (typeof data === 'string') live?.connection.text(data);
        else live?.connection.bytes(Buffer.from(data as ArrayBuffer));
      },
      onClose: ({ code }: { code: number }) => {
        if (live !== undefined) this.#farewell(live, GOODBYES.includes(code));
      },
    };
  }

  #welcome(request: IncomingMessage, principal: Principal, socket: WebSocket): Live {
    const peer = peerOf(request);
    const who = this.#door.whoIs(request);
    const connection = new Connection({
      hub: this.hub,
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
        live.session = session;
        const fields = { peer, session, mode, readOnly: principal.isReadOnly };
        this.#audit.write('connected', { ...fields, login: live.login, agent: request.headers['user-agent'] });
      },
      onFailure: (error) => this.#report('a viewer', error),
    });
    const live: Live = {
      connection,
      socket,
      peer,
      login: undefined,
      session: undefined,
      sinceMs: this.#options.nowMs(),
      isAlive: true,
      expiry: undefined,
    };
    void who.then((known) => (live.login = known?.login));
    socket.on('pong', () => (live.isAlive = true));
    // What a library makes of a broken frame or a reset is followed by its close.
    socket.on('error', () => undefined);
    const leftMs = principal.expiresMs - this.#options.nowMs();
    live.expiry = setTimeout(
      () => connection.close(CLOSE.loggedOut, 'the login has expired'),
      Math.min(leftMs, 2 ** 31 - 1),
    );
    live.expiry.unref();
    this.#live.add(live);
    return live;
  }

  #farewell(live: Live, isFarewell: boolean): void {
    if (!this.#live.delete(live)) return;
    clearTimeout(live.expiry);
    live.connection.gone(isFarewell);
    const { peer, session, login } = live;
    if (session !== undefined) this.#audit.write('disconnected', { peer, session, login });
  }

  /** Ends connections whose peer has gone without a word, as a phone does. */
  #beat(): void {
    for (const live of this.#live) {
      if (!live.isAlive) {
        live.socket.terminate();
        continue;
      }
      live.isAlive = false;
      live.socket.ping();
    }
  }

  #report(about: string, error: unknown): void {
    const { message, cause } = toSmError(error);
    this.#options.log(`${about}: ${message}`);
    if (process.env['SM_DEBUG'] === '1' && cause instanceof Error) this.#options.log(cause.stack ?? '');
  }
}
