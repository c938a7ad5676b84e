/**
 * Puts the parts together: the app, the gate before the WebSocket, the hub behind it, and the servers that listen on the
 * addresses that there are. Owns what is alive: servers, sockets, timers. `close` ends all of it.
 */
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import os from 'node:os';
import { createAdaptorServer } from '@hono/node-server';
import { createNodeWebSocket } from '@hono/node-ws';
import { Hono } from 'hono';
import type { WSContext } from 'hono/ws';
import type { WebSocket } from 'ws';
import { SmError, toSmError } from '../lib/core/errors.ts';
import { RateLimits } from '../lib/server/rate-limits.ts';
import { Access, type Principal, type Share } from './access.ts';
import { type WantedAddress, wantedAddresses } from './addresses.ts';
import { createPortalApp, type Env } from './app.ts';
import type { Assets } from './assets.ts';
import { AuditLog } from './audit.ts';
import { Connection } from './connection.ts';
import { Gate, type Upgrade, type Verdict } from './gate.ts';
import { Hub, type SessionSource } from './hub.ts';
import {
  hostnameOf,
  isHostAllowed,
  isLoopback,
  isOriginAllowed,
  isPeerAllowed,
  isTailnet,
  plainAddress,
} from './names.ts';
import { CLOSE, INPUT_FRAME_BYTES_MAX } from './protocol.ts';
import { HOLD_MS } from './session.ts';
import type { Tailscale, Whois } from './tailscale.ts';

/** How often it is asked which addresses there are. */
const ADDRESS_INTERVAL_MS = 3_000;
const HEARTBEAT_MS = 15_000;
const CONNECTIONS_MAX = 512;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const HEADER_BYTES_MAX = 16 * 1024;
/** A WebSocket that does not answer a close is cut off after this. */
const CLOSE_PATIENCE_MS = 1_000;
const FAILURES_PER_MINUTE = 10;
/** A message may come in pieces, but not in crumbs. */
const FRAGMENTS_MAX = 64;

export interface PortalOptions {
  directory: string;
  source: SessionSource;
  /** The session that is shown first. */
  session: string;
  assets: Assets;
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
}

export interface PortalStatus {
  addresses: string[];
  session: string;
  sessions: { name: string; viewers: number; activityAt: number }[];
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

/** The rights that the gate found for a request that it let in. */
const PRINCIPAL = Symbol('principal');
type Judged = IncomingMessage & { [PRINCIPAL]?: Principal };

export class Portal {
  readonly access: Access;
  readonly #options: PortalOptions;
  readonly #audit: AuditLog;
  readonly hub: Hub;
  readonly #limits = new RateLimits({
    keyRequestsPerMinute: 1,
    addressRequestsPerMinute: 1,
    setupsPerHour: 1,
    failuresPerMinute: FAILURES_PER_MINUTE,
    streamsPerKey: 1,
    streamsMax: 1,
  });
  readonly #gate: Gate;
  readonly #fetch: Hono<Env>['fetch'];
  readonly #names = new Set<string>();
  readonly #servers = new Map<string, Server>();
  readonly #live = new Set<Live>();
  readonly #problems = new Map<string, string>();
  readonly #startedMs: number;
  #port: number;
  #timers: NodeJS.Timeout[] = [];
  #following: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(options: PortalOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#startedMs = options.nowMs();
    this.access = new Access(options.directory, options.nowMs);
    this.#audit = new AuditLog(options.directory, options.nowMs);
    this.hub = new Hub(options.source, {
      nowMs: () => performance.now(),
      soon: (run) => void setImmediate(run),
      later: (run) => void setTimeout(run, HOLD_MS),
    });
    for (const name of [...options.hostNames, os.hostname()]) this.#names.add(name.toLowerCase());

    // One application for the WebSocket alone: what @hono/node-ws asks is answered without a second judgement.
    const sockets = new Hono<Env>();
    const { injectWebSocket, upgradeWebSocket, wss } = createNodeWebSocket({ app: sockets });
    Object.assign(wss.options, { maxPayload: INPUT_FRAME_BYTES_MAX, maxFragments: FRAGMENTS_MAX });
    sockets.get(
      '/ws',
      upgradeWebSocket((c) => this.#events(c.env.incoming as Judged), {
        onError: (error) => this.#report('a viewer', error),
      }),
    );
    let handOver: Upgrade | undefined;
    injectWebSocket({ on: (_event: string, listener: Upgrade) => (handOver = listener) } as unknown as Server);
    this.#gate = new Gate({
      judge: (request) => this.#judge(request),
      handOver: (request, socket, head) => handOver?.(request, socket, head),
      onRefusal: (request, why) => this.#audit.write('refused', { peer: peerOf(request), why }),
    });
    this.#fetch = createPortalApp({
      access: this.access,
      assets: options.assets,
      audit: this.#audit,
      limits: this.#limits,
      names: this.#known(),
      isOpenToAll: !options.hasAuth,
      cookieName: `sm_portal_${options.port}`,
      isAccountAllowed: (request) => this.#isAccountAllowed(request),
    }).fetch;
  }

  /** Handshakes that are being judged. */
  get pendingHandshakes(): number {
    return this.#gate.pending;
  }

  get port(): number {
    return this.#port;
  }

  /** @throws SmError `exists` where the port is taken, `bad_request` where the host is none */
  async start(): Promise<void> {
    await this.#follow(true);
    if (this.#servers.size === 0 && this.#options.host !== undefined && !isTailnet(this.#options.host)) {
      throw new SmError({ code: 'bad_request', message: `${this.#options.host} is no address of this machine.` });
    }
    this.#audit.write('started', { addresses: this.addresses().join(' '), pid: process.pid });
    this.#timers = [
      setInterval(() => {
        this.#following = this.#following
          .then(() => this.#follow(false))
          .catch((error) => this.#report('addresses', error));
      }, this.#options.addressIntervalMs ?? ADDRESS_INTERVAL_MS),
      setInterval(() => this.#beat(), HEARTBEAT_MS),
    ];
  }

  /** Where it answers, best for another device first. */
  addresses(): string[] {
    const names = [...this.#names].filter((name) => name.endsWith('.ts.net'));
    const hosts = [...this.#servers.keys()].map((address) => (address.includes(':') ? `[${address}]` : address));
    const onTailnet = hosts.some((host) => isTailnet(host.replaceAll(/[[\]]/g, '')));
    const ordered = [...(onTailnet ? names : []), ...hosts.toSorted((a, b) => Number(isLocal(a)) - Number(isLocal(b)))];
    return ordered.map((host) => `http://${host}:${this.#port}/`);
  }

  async status(): Promise<PortalStatus> {
    const nowMs = this.#options.nowMs();
    const sessions = await this.hub.list();
    return {
      addresses: this.addresses(),
      session: this.#options.session,
      sessions: sessions.map(({ name, viewers, activityMs }) => ({ name, viewers, activityAt: activityMs })),
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

  /** Another token; all who are in are out at once. */
  rotate(): string {
    const token = this.access.rotate();
    this.#audit.write('rotated', { viewers: this.#live.size });
    if (this.#options.hasAuth) {
      for (const { connection } of this.#live) connection.close(CLOSE.loggedOut, 'the token was changed');
      this.hub.closeAll();
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
    this.#isClosing = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#following;
    for (const live of this.#live) {
      live.connection.close(CLOSE.restarting, 'the portal is being restarted');
      setTimeout(() => live.socket.terminate(), CLOSE_PATIENCE_MS).unref();
    }
    this.hub.closeAll();
    const closed = [...this.#servers.values()].map((server) => {
      const done = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), CLOSE_PATIENCE_MS).unref();
      return done;
    });
    await Promise.all(closed);
    this.#audit.write('stopped', {});
  }

  /** Listens where it should and does not yet, and no longer where the address has gone. */
  async #follow(isFirst: boolean): Promise<void> {
    const { host, tailscale, tailnet } = this.#options;
    const wanted = await wantedAddresses(host, tailscale, tailnet);
    const self = await tailscale.self();
    if (self?.name !== undefined) this.#names.add(self.name).add(self.name.replace(/\..*$/, ''));
    for (const one of wanted) {
      if (this.#isClosing) return;
      if (!this.#servers.has(one.address)) await this.#listen(one, isFirst);
    }
    for (const [address, server] of this.#servers) {
      if (wanted.some((one) => one.address === address)) continue;
      // Connections stay: an address that comes back finds them as they were.
      this.#servers.delete(address);
      server.close();
      this.#options.log(`no longer listening on ${address}`);
    }
    const hasTailnet = [...this.#servers.keys()].some((address) => isTailnet(address));
    const isAlone = host === undefined && !hasTailnet;
    this.noteProblem('tailnet', isAlone ? 'No tailnet address: only this machine can reach the portal.' : undefined);
  }

  async #listen({ address, isNeeded }: WantedAddress, isFirst: boolean): Promise<void> {
    const server = createAdaptorServer({
      fetch: this.#fetch,
      overrideGlobalObjects: false,
      serverOptions: { maxHeaderSize: HEADER_BYTES_MAX },
    }) as Server;
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy());
      if (!isPeerAllowed(socket.remoteAddress, socket.localAddress, this.#known().isOpen)) socket.destroy();
      else socket.setNoDelay(true);
    });
    this.#gate.guard(server);
    server.listen({ port: this.#port, host: address, ipv6Only: address.includes(':') && address !== '::' });
    try {
      await once(server, 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isAbsent = code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
      if (isFirst && (isNeeded || !isAbsent)) throw explainListening(error, address, this.#port);
      if (!isAbsent) this.noteProblem(address, `The portal cannot listen on ${address}: ${code}.`);
      return; // Tried again.
    }
    this.noteProblem(address, undefined);
    server.on('error', (error) => this.#report(address, error));
    const given = server.address();
    if (given !== null && typeof given === 'object') this.#port = given.port;
    this.#servers.set(address, server);
    if (!isFirst) this.#options.log(`listening on ${address}`);
  }

  #known() {
    const { host } = this.#options;
    return { names: this.#names, isOpen: host !== undefined && !isLoopback(host) && !isTailnet(host) };
  }

  async #judge(request: Judged): Promise<Verdict> {
    const { host, origin } = request.headers;
    if (!isHostAllowed(host, this.#known())) return { status: 403, why: 'host' };
    if (origin !== undefined && !isOriginAllowed(origin, host)) return { status: 403, why: 'origin' };
    if (!(await this.#isAccountAllowed(request))) return { status: 403, why: 'account' };
    const principal = await this.#principalOf(request);
    if (principal === undefined) return { status: 401, why: 'login' };
    if (principal === 'limited') return { status: 429, why: 'too many wrong tokens' };
    request[PRINCIPAL] = this.#options.isReadOnly ? { ...principal, isReadOnly: true } : principal;
    return 'welcome';
  }

  /** By the cookie where a page of ours asks, by the token where a program does: only pages send an Origin. */
  async #principalOf(request: IncomingMessage): Promise<Principal | 'limited' | undefined> {
    if (!this.#options.hasAuth) return this.access.fullPrincipal();
    const peer = peerOf(request);
    const token =
      /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ??
      new URLSearchParams(request.url?.split('?')[1] ?? '').get('token');
    if (token === null) {
      return request.headers.origin === undefined ? undefined : this.access.principalOf(this.#cookieOf(request));
    }
    try {
      await this.#limits.requireFewFailures(peer);
      if (this.access.isToken(token)) return this.access.fullPrincipal();
      await this.#limits.countFailure(peer);
    } catch (error) {
      if (error instanceof SmError && error.code === 'rate_limited') return 'limited';
      throw error;
    }
    return undefined;
  }

  #cookieOf(request: IncomingMessage): string | undefined {
    const name = `sm_portal_${this.#options.port}=`;
    const pair = (request.headers.cookie ?? '').split(/; */).find((candidate) => candidate.startsWith(name));
    return pair?.slice(name.length);
  }

  /** A proxy of Tailscale's own on this machine names the account in a header; others are looked up. */
  async #isAccountAllowed(request: IncomingMessage): Promise<boolean> {
    const { allowed } = this.#options;
    if (allowed.length === 0) return true;
    if (isLoopback(peerOf(request)) && request.headers['x-forwarded-for'] === undefined) return true;
    const who = await this.#whoIs(request);
    return who !== undefined && allowed.includes(who.login);
  }

  async #whoIs({ socket, headers }: IncomingMessage): Promise<Whois | undefined> {
    const peer = plainAddress(socket.remoteAddress ?? '');
    if (!isLoopback(peer)) return this.#options.tailscale.whois(peer, socket.remotePort ?? 0);
    const login = headers['tailscale-user-login'];
    return typeof login === 'string' && headers['x-forwarded-for'] !== undefined ? { login, device: '' } : undefined;
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
    const who = this.#whoIs(request);
    const connection = new Connection({
      hub: this.hub,
      principal,
      session: this.#options.session,
      viewerName: who.then((known) => known?.login),
      wire: {
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

function peerOf(request: IncomingMessage): string {
  return plainAddress(request.socket.remoteAddress ?? '');
}

function isLocal(host: string): boolean {
  return isLoopback(hostnameOf(host) ?? '');
}

function explainListening(error: unknown, address: string, port: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new SmError({
        code: 'exists',
        message: `Port ${port} on ${address} is taken by another program.`,
        hint: 'See what has it (ss -ltnp), end that, or choose another with --port.',
        cause: error,
      });
    case 'EACCES':
      return new SmError({
        code: 'no_permission',
        message: `This user may not listen on port ${port}.`,
        hint: 'Choose a port above 1023 with --port.',
        cause: error,
      });
    default:
      return new SmError({
        code: 'bad_request',
        message: `${address} is no address of this machine.`,
        hint: 'Leave --host out for tailnet and loopback; 0.0.0.0 is every network that this machine is in.',
        cause: error,
      });
  }
}
