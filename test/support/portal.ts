/** Portals in this process, over a tmux of their own or over plain programs, and clients that speak their protocol. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { loadAssets } from '../../portal/assets.ts';
import { Portal, type PortalOptions } from '../../portal/portal.ts';
import { PROTOCOL_VERSION, type ClientMessage, type Hello, type ServerMessage } from '../../portal/protocol.ts';
import { PlainSource, TmuxSource } from '../../portal/sources.ts';
import { Tailscale } from '../../portal/tailscale.ts';

export const SHELL = ['bash', '--norc', '--noprofile'] as [string, ...string[]];

export interface TestPortal {
  portal: Portal;
  directory: string;
  url: string;
  port: number;
  token: string;
  /** What it wrote to its log. */
  logged: string[];
  /** Runs tmux against this portal's own server. */
  tmux(...args: string[]): Promise<string>;
  env: Record<string, string>;
}

export interface TestPortalOptions extends Partial<Omit<PortalOptions, 'source' | 'directory'>> {
  command?: [string, ...string[]];
  cwd?: string;
  isPlain?: boolean;
  directory?: string;
  env?: Record<string, string>;
}

/** A directory that is removed when the test ends. */
export function scratchDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-portal-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

const noBrain = () => Promise.reject(new Error('this portal has no brain'));

/** Ends by itself with the test. */
export async function startPortal(options: TestPortalOptions = {}): Promise<TestPortal> {
  const { command = SHELL, isPlain = false, cwd, env: extra = {}, ...rest } = options;
  const directory = options.directory ?? scratchDirectory();
  const tmuxDirectory = extra['TMUX_TMPDIR'] ?? scratchDirectory();
  const env = { ...(process.env as Record<string, string>), PS1: 'PROMPT> ', TMUX_TMPDIR: tmuxDirectory, ...extra };
  const agent = { command, cwd: cwd ?? directory, env };
  const logged: string[] = [];
  const portal = new Portal({
    directory,
    source: isPlain ? new PlainSource(agent) : new TmuxSource(agent),
    session: 'claude',
    brain: { locate: noBrain, connect: noBrain },
    assets: loadAssets(),
    tailscale: new Tailscale(path.join(directory, 'no-tailscaled')),
    port: 0,
    hasAuth: true,
    isReadOnly: false,
    allowed: [],
    hostNames: [],
    nowMs: () => Date.now(),
    log: (message) => logged.push(message),
    tailnet: () => Promise.resolve([]),
    ...rest,
  });
  await portal.start();
  const tmux = async (...args: string[]) => (await promisify(execFile)('tmux', args, { env })).stdout;
  onTestFinished(async () => {
    await portal.close();
    if (!isPlain) await tmux('kill-server').catch(() => undefined);
  });
  const url = `http://127.0.0.1:${portal.port}`;
  return { portal, directory, url, port: portal.port, token: portal.access.token, logged, tmux, env };
}

export interface ClientOptions {
  token?: string;
  hello?: Partial<Hello>;
  /** Acknowledges what arrives; else the test does. */
  isAcknowledging?: boolean;
  headers?: Record<string, string>;
}

/** A page without a screen: keeps what it is told. */
export class PortalClient {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[] = [];
  readonly #chunks: Buffer[] = [];
  readonly #isAcknowledging: boolean;
  #tail = '';
  #bytes = 0;
  #waiters: (() => void)[] = [];
  /** The number of the next byte. */
  seq = 0;
  closed: { code: number; reason: string } | undefined;

  constructor(url: string, options: ClientOptions) {
    this.#isAcknowledging = options.isAcknowledging ?? true;
    const headers = {
      ...(options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` }),
      ...options.headers,
    };
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers, perMessageDeflate: false });
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.#take(data);
      else this.#hear(JSON.parse(data.toString()) as ServerMessage);
      this.#wakeUp();
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wakeUp();
    });
    this.socket.on('error', () => undefined);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get output(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The last of what was said. */
  get tail(): string {
    return this.#tail;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#tail = '';
  }

  hello(hello: Partial<Hello> = {}): void {
    this.send({ t: 'hello', version: PROTOCOL_VERSION, columns: 100, rows: 30, ...hello });
  }

  send(message: ClientMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  type(text: string): void {
    this.socket.send(Buffer.from(text));
  }

  acknowledge(): void {
    this.send({ t: 'ack', seq: this.seq });
  }

  /** Resolves as soon as it holds; the test's own limit is the end of patience. */
  async until<Value>(look: () => Value | undefined | false): Promise<Value> {
    for (;;) {
      const value = look();
      if (value !== undefined && value !== false) return value;
      if (this.closed !== undefined)
        throw new Error(`closed with ${JSON.stringify(this.closed)}; ${this.#tail.slice(-300)}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  see(text: string): Promise<true> {
    return this.until(() => this.#tail.includes(text));
  }

  hear<Kind extends ServerMessage['t']>(kind: Kind): Promise<ServerMessage & { t: Kind }> {
    return this.until(() =>
      this.messages.find((message): message is ServerMessage & { t: Kind } => message.t === kind),
    );
  }

  async whenClosed(): Promise<{ code: number; reason: string }> {
    while (this.closed === undefined) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.closed;
  }

  #take(data: Buffer): void {
    this.#chunks.push(data);
    this.#bytes += data.length;
    this.seq += data.length;
    this.#tail = (this.#tail + data.subarray(-TAIL_CHARACTERS).toString('latin1')).slice(-TAIL_CHARACTERS);
    if (this.#isAcknowledging) this.acknowledge();
  }

  #hear(message: ServerMessage): void {
    if (message.t === 'attached') this.seq = message.seq;
    this.messages.push(message);
  }

  #wakeUp(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

const TAIL_CHARACTERS = 20_000;

/** Connected and attached. */
export async function connect(
  { url, token }: { url: string; token: string },
  options: ClientOptions = {},
): Promise<PortalClient> {
  const client = new PortalClient(url, { token, ...options });
  onTestFinished(() => client.socket.terminate());
  await once(client.socket, 'open');
  client.hello(options.hello);
  await client.hear('attached');
  return client;
}

/** The status of a refused handshake, or undefined where it was accepted. */
export async function handshakeStatus(
  url: string,
  headers: Record<string, string>,
  query = '',
): Promise<number | undefined> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws${query}`, { headers });
  return new Promise((resolve, reject) => {
    socket.on('unexpected-response', (request, response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    socket.on('open', () => {
      resolve(undefined);
      socket.terminate();
    });
    socket.on('error', reject);
  });
}

/** Logs in as a browser does, and gives the cookie. */
export async function logIn({ url, token }: { url: string; token: string }): Promise<string> {
  const response = await fetch(`${url}/?token=${token}`);
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}
