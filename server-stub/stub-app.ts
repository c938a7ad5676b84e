/**
 * The sync server with faults on request: the very application of lib/server behind a layer that delays, breaks and
 * distorts. Without a fault it passes everything through untouched. Owns the routes under /stub.
 */
import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { SmError, toSmError } from '../lib/core/errors.ts';
import { createServerApp, type ServerApp } from '../lib/server/app.ts';
import type { ServerOptions } from '../lib/server/context.ts';
import { type Fault, Faults, parseFaults } from './faults.ts';

/** Part of a body that is sent before it is cut off. */
const CUT_SHARE = 0.5;
const DRIP_INTERVAL_MS = 100;
const HUGE_CHUNK = `${'0'.repeat(64 * 1024)},`;

export interface Stub {
  /** To be listened with, as a server's application is. */
  app: ServerApp;
  faults: Faults;
  /** Requests to the server, without those to /stub. */
  requests: number;
}

/** What the application is given to break a connection. */
type StubEnv = { Bindings: HttpBindings };

export function createStub(options: ServerOptions, random: () => number = Math.random): Stub {
  const faults = new Faults(random);
  const nowMs = options.nowMs ?? Date.now;
  const server = createServerApp({ ...options, nowMs: () => nowMs() + faults.clockOffsetMs });
  const earlier = new Map<string, Response>();
  const outer = new Hono<StubEnv>();
  const stub: Stub = {
    app: Object.assign(outer, { end: server.end, close: server.close }) as unknown as ServerApp,
    faults,
    requests: 0,
  };

  outer.onError((error) => Response.json(toSmError(error).toJSON(), { status: statusOf(error) }));
  outer.get('/stub/faults', () => Response.json({ faults: faults.all, requests: stub.requests }));
  outer.post('/stub/faults', async (request) => {
    const body: { faults?: unknown } = await request.req.json();
    if (typeof body.faults !== 'string') {
      throw new SmError({ code: 'bad_request', message: 'faults: must be a text such as "status:503,times=2".' });
    }
    faults.set(parseFaults(body.faults));
    return Response.json({ faults: faults.all, requests: stub.requests });
  });
  outer.delete('/stub/faults', () => {
    faults.set([]);
    return Response.json({ faults: [] });
  });
  outer.post('/stub/epoch', async () => {
    await options.store.renewEpoch(crypto.randomUUID());
    return Response.json({ epoch: await options.store.readEpoch() });
  });
  outer.all('*', async (request) => {
    stub.requests += 1;
    const { raw } = request.req;
    const path = new URL(raw.url).pathname;
    const own = parseFaults(raw.headers.get('x-stub-fault') ?? '');
    const isMatching = [...faults.all, ...own].some(({ match }) => match !== '');
    const body = isMatching ? await raw.clone().text() : '';
    return meet(faults.take(path, body, own), { raw, env: request.env, key: `${raw.method} ${path}` });
  });
  return stub;

  async function meet(met: Fault[], call: { raw: Request; env: HttpBindings; key: string }): Promise<Response> {
    for (const fault of met) {
      const instead = await beforeTheServer(fault, call);
      if (instead !== undefined) return instead;
    }
    const answer = await server.fetch(call.raw, call.env);
    const fresh = met.length === 0 ? undefined : answer.clone();
    for (const fault of met) {
      const instead = await afterTheServer(fault, answer, call);
      if (instead !== undefined) return instead;
    }
    if (isStalable(call.raw)) earlier.set(call.key, (fresh ?? answer).clone());
    return answer;
  }

  async function afterTheServer(
    { kind, value }: Fault,
    answer: Response,
    { env, key }: { env: HttpBindings; key: string },
  ): Promise<Response | undefined> {
    if (kind === 'lost') return cut(env);
    if (kind === 'cut' && value === 'body') return cutInTheMiddle(await answer.arrayBuffer(), answer);
    if (kind === 'stale') return earlier.get(key)?.clone();
    if (kind === 'drip') return drip(await answer.arrayBuffer(), answer, Number(value));
    return undefined;
  }
}

/** The answer of a fault that keeps the request from the server; undefined where it gets there. */
async function beforeTheServer(
  { kind, value, retry }: Fault,
  { env }: { env: HttpBindings },
): Promise<Response | undefined> {
  switch (kind) {
    case 'latency': {
      const [from = 0, to = from] = value.split('..').map(Number);
      await new Promise((resolve) => setTimeout(resolve, from + Math.random() * (to - from)));
      return undefined;
    }
    case 'status': {
      const headers = retry === undefined ? {} : { 'retry-after': String(retry) };
      return new Response(`stub fault: ${value}\n`, { status: Number(value), headers });
    }
    case 'cut':
      return value === 'head' ? cut(env) : undefined;
    case 'html':
      return new Response('<!doctype html><title>Welcome</title>', { headers: { 'content-type': 'text/html' } });
    case 'garbage':
      return new Response('{"serverCursor": 1, "hasM', { headers: { 'content-type': 'application/json' } });
    case 'huge':
      return new Response(endless(), { headers: { 'content-type': 'application/json' } });
    case 'redirect':
      return new Response(null, { status: 302, headers: { location: value } });
    case 'hang':
      return new Promise((_resolve, reject) => env.outgoing.on('close', () => reject(new Error('the client left'))));
    default:
      return undefined;
  }
}

/** Ends the connection without a word. */
function cut(env: HttpBindings): Promise<Response> {
  env.outgoing.destroy();
  return Promise.resolve(new Response(null));
}

function cutInTheMiddle(body: ArrayBuffer, { headers, status }: Response): Response {
  const part = new Uint8Array(body).slice(0, Math.floor(body.byteLength * CUT_SHARE));
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(part);
      setTimeout(() => controller.error(new Error('stub fault: cut off')), DRIP_INTERVAL_MS);
    },
  });
  const told = new Headers(headers);
  told.set('content-length', String(body.byteLength));
  return new Response(stream, { status, headers: told });
}

function drip(body: ArrayBuffer, { headers, status }: Response, bytesPerSecond: number): Response {
  const bytes = new Uint8Array(body);
  const chunk = Math.max(1, Math.round((bytesPerSecond * DRIP_INTERVAL_MS) / 1_000));
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, DRIP_INTERVAL_MS));
      controller.enqueue(bytes.slice(sent, sent + chunk));
      sent += chunk;
      if (sent >= bytes.length) controller.close();
    },
  });
  return new Response(stream, { status, headers });
}

function endless(): ReadableStream<Uint8Array> {
  const chunk = new TextEncoder().encode(HUGE_CHUNK);
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('[')),
    pull: (controller) => controller.enqueue(chunk),
  });
}

/** A stream never ends, and is not kept. */
function isStalable({ method }: Request): boolean {
  return method === 'POST';
}

function statusOf(error: unknown): number {
  return error instanceof SmError && error.code === 'bad_request' ? 400 : 500;
}
