/** Puts the application on a port, and takes it off again without breaking off what is under way. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { SmError } from '../core/errors.ts';
import type { ServerApp } from './app.ts';

/** How long requests under way may take to end, in milliseconds. */
const GRACE_MS = 10_000;
/** A request must have come whole in this time, so that slow ones do not hold connections for ever. */
const REQUEST_TIMEOUT_MS = 120_000;
const HEADERS_TIMEOUT_MS = 15_000;
const CONNECTIONS_MAX = 20_000;

export interface ListeningServer {
  url: string;
  port: number;
  /** Ends streams, refuses new connections, lets requests under way finish within a bound. */
  close(): Promise<void>;
}

/** @throws SmError `exists` where the port is taken, `no_permission`, `bad_request` for a host that is none */
export async function listen(
  app: ServerApp,
  { host, port, graceMs = GRACE_MS }: { host: string; port: number; graceMs?: number },
): Promise<ListeningServer> {
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  const connections = new Connections(server);
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw explainListening(error, host, port);
  }
  const { port: given } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${given}`,
    port: given,
    close: () => closeGracefully(server, connections, app, graceMs),
  };
}

async function closeGracefully(
  server: Server,
  connections: Connections,
  app: ServerApp,
  graceMs: number,
): Promise<void> {
  app.end();
  const closed = once(server, 'close');
  server.close();
  connections.closeWhenIdle();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

/**
 * Which connections have a request under way. Node's own count of idle ones leaves out those that have not had a request
 * yet, as clients open in advance.
 */
class Connections {
  readonly #requests = new Map<Socket, number>();
  #isClosing = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#requests.set(socket, 0);
      socket.once('close', () => this.#requests.delete(socket));
    });
    server.on('request', ({ socket }, response) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  /** Closes each connection as soon as nothing is under way on it. */
  closeWhenIdle(): void {
    this.#isClosing = true;
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
  }

  #count(socket: Socket, difference: number): void {
    const requests = (this.#requests.get(socket) ?? 0) + difference;
    if (this.#requests.has(socket)) this.#requests.set(socket, requests);
    // What was written last is handed over first.
    if (this.#isClosing && requests === 0) socket.destroySoon();
  }
}

function explainListening(error: unknown, host: string, port: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new SmError({
        code: 'exists',
        message: `Port ${port} on ${host} is taken by another program.`,
        hint: 'End that program, or choose another port with --port.',
        cause: error,
      });
    case 'EACCES':
      return new SmError({
        code: 'no_permission',
        message: `This user may not listen on port ${port}.`,
        hint: 'Choose a port above 1023 with --port, and put a proxy before it.',
        cause: error,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new SmError({
        code: 'bad_request',
        message: `${host} is not an address of this machine.`,
        hint: 'Give --host 127.0.0.1 for this machine alone, or 0.0.0.0 for all.',
        cause: error,
      });
    default:
      return error;
  }
}
