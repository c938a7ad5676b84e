/** Who is at the other end, as far as one can tell: the peer of the connection, or what a trusted proxy says. */
import type { ServerRequest } from './http.ts';

/** What @hono/node-server gives as `env`; absent where the application is called without a connection. */
interface NodeBindings {
  incoming?: { socket?: { remoteAddress?: string } };
}

/** The address, or `unknown` where there is no connection. */
export function addressOf(request: ServerRequest, trustProxy: boolean): string {
  // The last one is what our own proxy saw; those before it are what it was told.
  const forwarded = trustProxy ? request.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  if (forwarded !== undefined && /^[\da-f.:]{2,45}$/i.test(forwarded)) return forwarded;
  return peerOf(request) ?? 'unknown';
}

/** Whether this machine itself asks, and not for somebody else. */
export function isLoopback(request: ServerRequest): boolean {
  const peer = peerOf(request);
  if (peer === undefined || request.req.header('x-forwarded-for') !== undefined) return false;
  return peer === '::1' || /^(?:::ffff:)?127\./.test(peer);
}

function peerOf(request: ServerRequest): string | undefined {
  return (request.env as NodeBindings | undefined)?.incoming?.socket?.remoteAddress;
}
