/**
 * One call to a sync server and its answer. Owns the bounds of patience and size. A server is believed nothing but JSON of
 * bounded size from its own address: redirections are refused, since they would carry the key elsewhere.
 */
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { type Coding, encodeBody } from '../protocol/body.ts';
import { CallFailure, lateCall, notOurs, refusedCall, unansweredCall } from './call-failure.ts';

/** From the call to the last byte of its answer. */
const CALL_DEADLINE_MS = 60_000;
/** What is sent is as small as this where a link that takes so long for it is no link: nothing answers there. */
const SLOW_BODY_BYTES_MIN = 16 * 1024;
/** An answer that is longer is none of ours: a page is 4 MiB of content, quoted. */
const ANSWER_BYTES_MAX = 4 * BATCH_BYTES_MAX;

export interface Server {
  /** Address without a path or a trailing slash. */
  endpoint: string;
  apiKey: string;
  /** How bodies are packed: a server of protocol 1 may understand no coding. */
  coding?: Coding;
  clientId?: string;
  userAgent?: string;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  deadlineMs?: number;
  /** This machine's clock. */
  nowMs?: () => number;
}

export interface Answer {
  body: unknown;
  /** The server's clock less this machine's, where the answer tells; milliseconds. */
  clockOffsetMs: number | null;
}

/** @param onWay called once the request has left. @throws CallFailure */
export async function call(
  server: Server,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  onWay?: () => void,
): Promise<Answer> {
  const deadlineMs = server.deadlineMs ?? CALL_DEADLINE_MS;
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = server.signal === undefined ? deadline : AbortSignal.any([server.signal, deadline]);
  const nowMs = server.nowMs ?? Date.now;
  const sentAt = nowMs();
  let isOnWay = false;
  try {
    const encoded = body === undefined ? undefined : await encodeBody(body, server.coding);
    isOnWay = (encoded?.bytes.length ?? 0) >= SLOW_BODY_BYTES_MIN;
    const responding = (server.fetch ?? fetch)(`${server.endpoint}${path}`, {
      method,
      redirect: 'manual',
      signal,
      headers: headersOf(server, encoded?.coding),
      ...(encoded === undefined ? {} : { body: encoded.bytes }),
    });
    onWay?.();
    const response = await responding;
    isOnWay = true;
    const bytes = await readBounded(response);
    const receivedAt = nowMs();
    if (!response.ok) throw new CallFailure(refusedCall(response, bytes));
    const value = parse(bytes, response);
    return { body: value, clockOffsetMs: offsetOf(value, sentAt, receivedAt) };
  } catch (error) {
    if (error instanceof CallFailure) throw error;
    if (deadline.aborted) throw new CallFailure(lateCall(server.endpoint, deadlineMs, isOnWay), error);
    throw new CallFailure(unansweredCall(error, server.endpoint, server.signal?.aborted === true), error);
  }
}

/** Opens a stream of server-sent events. @returns its bytes. @throws CallFailure */
export async function streamCall(
  server: Server,
  path: string,
  lastEventId: number,
): Promise<AsyncIterable<Uint8Array>> {
  try {
    const response = await (server.fetch ?? fetch)(`${server.endpoint}${path}`, {
      redirect: 'manual',
      ...(server.signal === undefined ? {} : { signal: server.signal }),
      headers: {
        ...headersOf(server, undefined),
        accept: 'text/event-stream',
        'accept-encoding': 'identity',
        'last-event-id': String(lastEventId),
      },
    });
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (response.ok && isStream && response.body !== null) return response.body;
    if (!response.ok) throw new CallFailure(refusedCall(response, await readBounded(response)));
    await response.body?.cancel();
    throw new CallFailure(notOurs('it has no stream'));
  } catch (error) {
    if (error instanceof CallFailure) throw error;
    throw new CallFailure(unansweredCall(error, server.endpoint, server.signal?.aborted === true), error);
  }
}

function headersOf({ apiKey, clientId, userAgent }: Server, coding: Coding | undefined): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json',
    'accept-encoding': 'br, gzip',
    ...(apiKey === '' ? {} : { authorization: `Bearer ${apiKey}` }),
    ...(clientId === undefined ? {} : { 'x-client-id': clientId }),
    ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
    ...(coding === undefined ? {} : { 'content-encoding': coding }),
  };
}

async function readBounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new CallFailure(notOurs(`its answer has more than ${ANSWER_BYTES_MAX / 1024 / 1024} MiB`));
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function parse(bytes: Uint8Array, response: Response): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    const type = response.headers.get('content-type') ?? 'no content type';
    throw new CallFailure(notOurs(`its answer is not JSON (${type.slice(0, 60)})`), error);
  }
}

/** By the middle of the call. Half of the round trip is the error: what is within it is no offset at all. */
function offsetOf(body: unknown, sentAt: number, receivedAt: number): number | null {
  const { serverTime } = (typeof body === 'object' && body !== null ? body : {}) as { serverTime?: unknown };
  if (typeof serverTime !== 'number' || !Number.isSafeInteger(serverTime)) return null;
  const offsetMs = Math.round(serverTime - (sentAt + receivedAt) / 2);
  return Math.abs(offsetMs) * 2 <= receivedAt - sentAt ? 0 : offsetMs;
}
