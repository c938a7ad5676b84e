/**
 * The servers that listen, one for each address: opens them as addresses come, closes them as they go, and lets nobody
 * in whose address is not allowed. What is answered is not its business.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { SmError } from '../lib/core/errors.ts';
import { type WantedAddress, wantedAddresses } from './addresses.ts';
import { hostnameOf, isLoopback, isPeerAllowed, isTailnet } from './names.ts';
import type { Tailscale } from './tailscale.ts';

/** How often it is asked which addresses there are. */
const ADDRESS_INTERVAL_MS = 3_000;
const CONNECTIONS_MAX = 512;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const HEADER_BYTES_MAX = 16 * 1024;
/** What is still under way when the portal ends is cut off after this. */
const CLOSE_PATIENCE_MS = 1_000;

export interface ListenersOptions {
  fetch: Parameters<typeof createAdaptorServer>[0]['fetch'];
  /** Takes the handshakes of a server. */
  guard(server: Server): void;
  tailscale: Tailscale;
  tailnet: ((tailscale: Tailscale) => Promise<string[]>) | undefined;
  port: number;
  host: string | undefined;
  intervalMs: number | undefined;
  log(message: string): void;
  problem(about: string, message: string | undefined): void;
  /** Awaited each time that addresses are looked for. */
  onFollow(): Promise<void>;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #servers = new Map<string, Server>();
  #port: number;
  #timer: NodeJS.Timeout | undefined;
  #following: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  get port(): number {
    return this.#port;
  }

  /** Whether it listens for more than loopback and tailnet, because it was asked to. */
  get isOpen(): boolean {
    const { host } = this.#options;
    return host !== undefined && !isLoopback(host) && !isTailnet(host);
  }

  /** As they stand in an address, those that other devices can reach first. */
  get hosts(): string[] {
    const hosts = [...this.#servers.keys()].map((address) => (address.includes(':') ? `[${address}]` : address));
    return hosts.toSorted((one, other) => Number(isLocal(one)) - Number(isLocal(other)));
  }

  get hasTailnet(): boolean {
    return [...this.#servers.keys()].some((address) => isTailnet(address));
  }

  /** @throws SmError `exists` where the port is taken, `bad_request` where the host is none of this machine */
  async start(): Promise<void> {
    await this.#follow(true);
    this.#timer = setInterval(() => {
      this.#following = this.#following
        .then(() => this.#follow(false))
        .catch((error: unknown) => this.#options.log(`addresses: ${String(error)}`));
    }, this.#options.intervalMs ?? ADDRESS_INTERVAL_MS);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    await this.#following;
    const closed = [...this.#servers.values()].map((server) => {
      const done = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), CLOSE_PATIENCE_MS).unref();
      return done;
    });
    await Promise.all(closed);
  }

  /** Listens where it should and does not yet, and no longer where the address has gone. */
  async #follow(isFirst: boolean): Promise<void> {
    const { host, tailscale, tailnet } = this.#options;
    const wanted = await wantedAddresses(host, tailscale, tailnet);
    await this.#options.onFollow();
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
    const isAlone = host === undefined && !this.hasTailnet;
    this.#options.problem(
      'tailnet',
      isAlone ? 'No tailnet address: only this machine can reach the portal until "tailscale up".' : undefined,
    );
  }

  async #listen({ address, isNeeded }: WantedAddress, isFirst: boolean): Promise<void> {
    const server = createAdaptorServer({
      fetch: this.#options.fetch,
      overrideGlobalObjects: false,
      serverOptions: { maxHeaderSize: HEADER_BYTES_MAX },
    }) as Server;
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy());
      if (!isPeerAllowed(socket.remoteAddress, socket.localAddress, this.isOpen)) socket.destroy();
      else socket.setNoDelay(true);
    });
    this.#options.guard(server);
    server.listen({ port: this.#port, host: address, ipv6Only: address.includes(':') && address !== '::' });
    try {
      await once(server, 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isAbsent = code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
      if (isFirst && (isNeeded || !isAbsent)) throw explainListening(error, address, this.#port);
      if (!isAbsent) this.#options.problem(address, `The portal cannot listen on ${address}: ${code}.`);
      return; // Tried again.
    }
    this.#options.problem(address, undefined);
    server.on('error', (error) => this.#options.log(`${address}: ${error.message}`));
    const given = server.address();
    if (given !== null && typeof given === 'object') this.#port = given.port;
    this.#servers.set(address, server);
    if (!isFirst) this.#options.log(`listening on ${address}`);
  }
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
        message: `${address} is not an address of this machine.`,
        hint: 'Leave --host out for tailnet and loopback; 0.0.0.0 is every network that this machine is in.',
        cause: error,
      });
  }
}
