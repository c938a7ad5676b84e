/**
 * Judges who asks, before anything is answered: the account of the tailnet, the login, and what it lets do. Owns the
 * limits of wrong tokens. The same for the page and for the handshake.
 */
import type { IncomingMessage } from 'node:http';
import { SmError } from '../lib/core/errors.ts';
import { RateLimits } from '../lib/server/rate-limits.ts';
import type { Access, Principal } from './access.ts';
import type { Verdict } from './gate.ts';
import { isHostAllowed, isLoopback, isOriginAllowed, type KnownNames, plainAddress } from './names.ts';
import type { Tailscale, Whois } from './tailscale.ts';

const FAILURES_PER_MINUTE = 10;

/** The rights that were found for a handshake that was let in. */
export const PRINCIPAL = Symbol('principal');
export type Judged = IncomingMessage & { [PRINCIPAL]?: Principal };

export interface DoorkeeperOptions {
  access: Access;
  tailscale: Tailscale;
  names: KnownNames;
  cookieName: string;
  hasAuth: boolean;
  isReadOnly: boolean;
  /** Accounts of the tailnet that may come; empty for all. */
  allowed: readonly string[];
}

export class Doorkeeper {
  readonly #options: DoorkeeperOptions;
  readonly limits = new RateLimits({
    keyRequestsPerMinute: 1,
    addressRequestsPerMinute: 1,
    setupsPerHour: 1,
    failuresPerMinute: FAILURES_PER_MINUTE,
    streamsPerKey: 1,
    streamsMax: 1,
  });

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
  }

  async judge(request: Judged): Promise<Verdict> {
    const { host, origin } = request.headers;
    if (!isHostAllowed(host, this.#options.names)) return { status: 403, why: 'host' };
    if (origin !== undefined && !isOriginAllowed(origin, host)) return { status: 403, why: 'origin' };
    if (!(await this.isAccountAllowed(request))) return { status: 403, why: 'account' };
    const principal = await this.#principalOf(request);
    if (principal === undefined) return { status: 401, why: 'login' };
    if (principal === 'limited') return { status: 429, why: 'too many wrong tokens' };
    request[PRINCIPAL] = this.#options.isReadOnly ? { ...principal, isReadOnly: true } : principal;
    return 'welcome';
  }

  /** By the cookie where a page of ours asks, by the token where a program does: only pages send an Origin. */
  async #principalOf(request: IncomingMessage): Promise<Principal | 'limited' | undefined> {
    if (!this.#options.hasAuth) return this.#options.access.fullPrincipal();
    const peer = peerOf(request);
    const token =
      /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ??
      new URLSearchParams(request.url?.split('?')[1] ?? '').get('token');
    if (token === null) {
      return request.headers.origin === undefined
        ? undefined
        : this.#options.access.principalOf(this.#cookieOf(request));
    }
    try {
      await this.limits.requireFewFailures(peer);
      if (this.#options.access.isToken(token)) return this.#options.access.fullPrincipal();
      await this.limits.countFailure(peer);
    } catch (error) {
      if (error instanceof SmError && error.code === 'rate_limited') return 'limited';
      throw error;
    }
    return undefined;
  }

  #cookieOf(request: IncomingMessage): string | undefined {
    const name = `${this.#options.cookieName}=`;
    const pair = (request.headers.cookie ?? '').split(/; */).find((candidate) => candidate.startsWith(name));
    return pair?.slice(name.length);
  }

  /** A proxy of Tailscale's own on this machine names the account in a header; others are looked up. */
  async isAccountAllowed(request: IncomingMessage): Promise<boolean> {
    const { allowed } = this.#options;
    if (allowed.length === 0) return true;
    if (isLoopback(peerOf(request)) && request.headers['x-forwarded-for'] === undefined) return true;
    const who = await this.whoIs(request);
    return who !== undefined && allowed.includes(who.login);
  }

  async whoIs({ socket, headers }: IncomingMessage): Promise<Whois | undefined> {
    const peer = plainAddress(socket.remoteAddress ?? '');
    if (!isLoopback(peer)) return this.#options.tailscale.whois(peer, socket.remotePort ?? 0);
    const login = headers['tailscale-user-login'];
    return typeof login === 'string' && headers['x-forwarded-for'] !== undefined ? { login, device: '' } : undefined;
  }
}

export function peerOf({ socket }: IncomingMessage): string {
  return plainAddress(socket.remoteAddress ?? '');
}
