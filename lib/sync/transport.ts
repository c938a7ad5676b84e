/**
 * One call to a sync server and its answer. Owns the bounds of patience and size, and turns whatever comes back, or does
 * not, into an answer of JSON or a Failure. A server is believed nothing but JSON of bounded size from its own address:
 * redirections are refused, since they would carry the key elsewhere.
 */
import { ERROR_TABLE, type ErrorCode, type SmErrorJson, toSmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { type Coding, encodeBody } from '../protocol/body.ts';
import type { Failure } from './session-types.ts';

/** From the call to the last byte of its answer. */
const CALL_DEADLINE_MS = 60_000;
/** What is sent is as small as this where a link that takes so long for it is no link: nothing answers there. */
const SLOW_BODY_BYTES_MIN = 16 * 1024;
/** An answer that is longer is none of ours: a page is 4 MiB of content, quoted. */
const ANSWER_BYTES_MAX = 4 * BATCH_BYTES_MAX;
export const MESSAGE_CHARACTERS_MAX = 500;
const RETRY_AFTER_MS_MAX = 3_600_000;

export const OFFLINE_HINT = 'Everything works without it. What is pending is kept, and goes out when it answers.';
export const ADDRESS_HINT = 'Check the address with "sm brain status"; "sm login --url …" sets it.';

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

/** A call that did not give an answer. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly failure: Failure;

  constructor(failure: Failure, cause?: unknown) {
    super(failure.message, cause === undefined ? undefined : { cause });
    this.failure = failure;
  }
}

/** @param onWay called once the request has left. @throws CallFailure */
export async function call(
  server: Server,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  onWay?: () => void,
): Promise<Answer> {
  const deadline = AbortSignal.timeout(server.deadlineMs ?? CALL_DEADLINE_MS);
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
    if (!response.ok) throw new CallFailure(failureOf(response, bytes));
    const value = parse(bytes, response);
    return { body: value, clockOffsetMs: offsetOf(value, sentAt, receivedAt) };
  } catch (error) {
    if (error instanceof CallFailure) throw error;
    if (deadline.aborted) throw new CallFailure(late(server, isOnWay), error);
    throw new CallFailure(describe(error, server), error);
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
    if (!response.ok) throw new CallFailure(failureOf(response, await readBounded(response)));
    await response.body?.cancel();
    throw new CallFailure(strange('it has no stream'));
  } catch (error) {
    if (error instanceof CallFailure) throw error;
    throw new CallFailure(describe(error, server), error);
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
      throw new CallFailure(strange(`its answer has more than ${ANSWER_BYTES_MAX / 1024 / 1024} MiB`));
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
    throw new CallFailure(strange(`its answer is not JSON (${type.slice(0, 60)})`), error);
  }
}

/** By the middle of the call. Half of the round trip is the error: what is within it is no offset at all. */
function offsetOf(body: unknown, sentAt: number, receivedAt: number): number | null {
  const { serverTime } = (typeof body === 'object' && body !== null ? body : {}) as { serverTime?: unknown };
  if (typeof serverTime !== 'number' || !Number.isSafeInteger(serverTime)) return null;
  const offsetMs = Math.round(serverTime - (sentAt + receivedAt) / 2);
  return Math.abs(offsetMs) * 2 <= receivedAt - sentAt ? 0 : offsetMs;
}

function failureOf(response: Response, bytes: Uint8Array): Failure {
  const { status } = response;
  const json = errorIn(bytes);
  const known = json !== undefined && Object.hasOwn(ERROR_TABLE, json.error);
  const code: ErrorCode = known ? json.error : codeOf(status);
  const retryAfterMs = retryAfterOf(response.headers.get('retry-after'));
  const hint = json?.hint === undefined ? hintOf(code, status) : plainText(json.hint);
  const requestId = status >= 500 ? requestIdOf(response) : undefined;
  const hints = [hint, requestId === undefined ? undefined : `Request id: ${requestId}.`].filter(
    (each) => each !== undefined,
  );
  return {
    code,
    message: plainText(json?.message ?? `The server answered ${status}.`),
    ...(hints.length === 0 ? {} : { hint: hints.join(' ') }),
    ...(json?.details === undefined ? {} : { details: json.details }),
    isTransient: status >= 500 || status === 429 || status === 408 || status === 425,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function errorIn(bytes: Uint8Array): SmErrorJson | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<SmErrorJson> | null;
    if (typeof value?.error !== 'string') return undefined;
    const { error, message, hint } = value;
    // Of a sign-up that was refused, the contract has these beside the error.
    const { workspaceId, projectId } = value as Record<string, unknown>;
    const details = value.details ?? (workspaceId === undefined ? undefined : { workspaceId, projectId });
    return {
      error,
      message: isTelling(message) ? message : `The server answered "${plainText(error)}".`,
      ...(isTelling(hint) ? { hint } : {}),
      ...(typeof details === 'object' && details !== null ? { details } : {}),
    };
  } catch {
    return undefined; // Not our error's shape: the status alone tells.
  }
}

function isTelling(text: unknown): text is string {
  return typeof text === 'string' && plainText(text).trim() !== '';
}

function codeOf(status: number): ErrorCode {
  if (status === 400) return 'bad_request';
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404 || status === 405) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 413) return 'too_large';
  if (status === 415) return 'unsupported_media';
  if (status === 422) return 'unsupported_protocol';
  if (status === 429) return 'rate_limited';
  return 'unavailable';
}

function hintOf(code: ErrorCode, status: number): string | undefined {
  if (status >= 300 && status < 400) {
    return 'It leads to another address, to which the key is not sent. A network may want a login first, or the address is another: "sm login --url …" sets it.';
  }
  if (status === 511) return 'The network wants a login first: open any page in a browser.';
  if (code === 'unauthorized') return 'The key is unknown or revoked. Log in again with "sm login".';
  if (code === 'not_found') return 'The address may be another server’s. "sm login --url …" sets it.';
  return undefined;
}

/** By which the log of the server knows what failed there. */
function requestIdOf(response: Response): string | undefined {
  const id = response.headers.get('x-request-id') ?? '';
  return /^[\w.:-]{1,64}$/.test(id) ? id : undefined;
}

function retryAfterOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.min(RETRY_AFTER_MS_MAX, Math.max(0, seconds * 1_000)) : undefined;
}

/** @param isOnWay whether part of it may have got through: less at a time may get through whole then */
function late({ endpoint, deadlineMs = CALL_DEADLINE_MS }: Server, isOnWay: boolean): Failure {
  const seconds = deadlineMs / 1_000;
  if (!isOnWay) return offline(`${endpoint} has not answered within ${seconds} s.`);
  const failure = offline(`What goes to ${endpoint} and back did not get through within ${seconds} s.`);
  return { ...failure, isSlow: true };
}

/** A call that never got to an answer. */
function describe(error: unknown, server: Server): Failure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code: systemCode } = cause as NodeJS.ErrnoException;
  const where = server.endpoint;
  if (server.signal?.aborted === true) {
    return { code: 'interrupted', message: 'The sync was interrupted.', isTransient: false };
  }
  if (systemCode === 'ENOTFOUND' || systemCode === 'EAI_AGAIN') return offline(`The address of ${where} is not known.`);
  if (systemCode === 'ECONNREFUSED') return offline(`Nothing answers at ${where}.`);
  if (typeof systemCode === 'string' && /^(CERT|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(systemCode)) {
    return {
      code: 'unavailable',
      message: `The certificate of ${where} is not trusted (${systemCode}).`,
      hint: 'It has to be for this name, in force, and by an authority that this machine trusts; NODE_EXTRA_CA_CERTS=<file> adds one of your own.',
      isTransient: false,
    };
  }
  if (systemCode === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return { ...offline(`What answers at ${where} speaks no TLS.`), hint: 'Is its address one with http:// instead?' };
  }
  if (typeof systemCode === 'string' && /^(?:ERR_SSL_|EPROTO)/.test(systemCode)) {
    const hint = 'If the server speaks plain http, its address begins with http://.';
    return { ...offline(`What answers at ${where} does not speak TLS (${systemCode}).`), hint };
  }
  const text = cause instanceof Error ? cause.message : String(cause);
  return offline(`The connection to ${where} failed (${plainText(systemCode ?? toSmError(text).message)}).`);
}

function offline(message: string): Failure {
  return {
    code: 'unavailable',
    message,
    hint: OFFLINE_HINT,
    isTransient: true,
  };
}

function strange(what: string): Failure {
  return {
    code: 'unavailable',
    message: `What answers is not a sync server: ${what}.`,
    hint: ADDRESS_HINT,
    isTransient: false,
  };
}

/** A server's words end up on a terminal and in a log: one line, bounded, nothing but text. */
export function plainText(text: string, charactersMax = MESSAGE_CHARACTERS_MAX): string {
  return text.slice(0, charactersMax).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]+/gu, ' ');
}
