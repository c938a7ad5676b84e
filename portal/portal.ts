/**
 * Puts the parts together: the app, the gate before the WebSocket, the viewers and the hub behind it, and the servers that
 * listen on the addresses that there are. `close` ends all that is alive in them.
 */
import os from 'node:os';
import { toSmError } from '../lib/core/errors.ts';
import { version } from '../lib/core/version.ts';
import { Access, type Share } from './access.ts';
import { createPortalApp } from './app.ts';
import type { Assets } from './assets.ts';
import { AuditLog } from './audit.ts';
import { type BrainRim, BrainWindow } from './brain-window.ts';
import { Doorkeeper, peerOf } from './doorkeeper.ts';
import { Gate } from './gate.ts';
import { Hub } from './hub.ts';
import { Listeners } from './listeners.ts';
import { type Attention, CLOSE, type SessionInfo } from './protocol.ts';
import { Push, type PushRim } from './push.ts';
import { HOLD_MS } from './session.ts';
import type { SessionSource } from './session-source.ts';
import { TmuxSource } from './sources.ts';
import type { Tailscale } from './tailscale.ts';
import { Viewers, type ViewerStatus } from './viewers.ts';
import { Watch } from './watch.ts';
import { Watchers } from './watchers.ts';

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
  viewers: ViewerStatus[];
  startedAt: number;
  uptimeMs: number;
  rssBytes: number;
  auth: boolean;
  readOnly: boolean;
  problems: string[];
}

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
  readonly #viewers: Viewers;
  readonly #problems = new Map<string, string>();
  readonly #startedMs: number;

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
    this.#viewers = new Viewers({
      ...{ hub: this.hub, audit: this.#audit, session: options.session, nowMs },
      whoIs: (request) => this.#door.whoIs(request),
      onFailure: (error) => this.#report('a viewer', error),
    });
    this.#gate = new Gate({
      judge: (request) => this.#door.judge(request),
      handOver: this.#viewers.handOver,
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
    this.#viewers.start();
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
      viewers: this.#viewers.describe(),
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
    this.#audit.write('rotated', { viewers: this.#viewers.count });
    if (this.#options.hasAuth) {
      this.#viewers.closeAll(CLOSE.loggedOut, 'the token was changed');
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
    this.#viewers.end(CLOSE.restarting, 'the portal is being restarted');
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
        this.#viewers.tell({ t: 'attention', session, attention });
        void this.push.tell(session, attention);
      },
    });
  }

  #report(about: string, error: unknown): void {
    const { message, cause } = toSmError(error);
    this.#options.log(`${about}: ${message}`);
    if (process.env['SM_DEBUG'] === '1' && cause instanceof Error) this.#options.log(cause.stack ?? '');
  }
}
