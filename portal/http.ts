/** What the portal's routes share: what a request comes with, and reading a body of bounded length. */
import type { HttpBindings } from '@hono/node-server';

export type Env = { Bindings: HttpBindings };

/** The body's text, or undefined where it is longer. */
export async function readBody(request: Request, bytesMax: number): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > bytesMax) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The body as JSON, or undefined where it is none or longer. */
export async function readJsonBody(request: Request, bytesMax: number): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers.get('content-type') ?? '')) return undefined;
  const text = await readBody(request, bytesMax);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Refused by its form.
  }
}
