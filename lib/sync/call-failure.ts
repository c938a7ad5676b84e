/**
 * Calls that gave no answer, as failures: with a code, words for people, and whether trying again may help. A server's words
 * are shown as plain text of bounded length, and its codes are believed only where they are ours.
 */
import { ERROR_TABLE, type ErrorCode, type SmErrorJson, toSmError } from '../core/errors.ts';
import { plainText } from '../core/plain-text.ts';
import type { Failure } from './session-types.ts';

const RETRY_AFTER_MS_MAX = 3_600_000;

export const OFFLINE_HINT = 'Everything works without it. What is pending is kept, and goes out when it answers.';
export const ADDRESS_HINT = 'Check the address with "sm brain status"; "sm login --url …" sets it.';

/** A call that did not give an answer. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly failure: Failure;

  constructor(failure: Failure, cause?: unknown) {
    super(failure.message, cause === undefined ? undefined : { cause });
    this.failure = failure;
  }
}

/** What a server answered instead of what it was asked for. */
export function refusedCall(response: Response, bytes: Uint8Array): Failure {
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

/** A call that was not over in time. @param isOnWay whether part of it may have got through: less at a time may get through whole */
export function lateCall(where: string, deadlineMs: number, isOnWay: boolean): Failure {
  const seconds = deadlineMs / 1_000;
  if (!isOnWay) return offline(`${where} has not answered within ${seconds} s.`);
  const failure = offline(`What goes to ${where} and back did not get through within ${seconds} s.`);
  return { ...failure, isSlow: true };
}

/** A call that never got to an answer. */
export function unansweredCall(error: unknown, where: string, isInterrupted: boolean): Failure {
  if (isInterrupted) return { code: 'interrupted', message: 'The sync was interrupted.', isTransient: false };
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code: systemCode } = cause as NodeJS.ErrnoException;
  if (systemCode === 'ENOTFOUND' || systemCode === 'EAI_AGAIN') return offline(`The address of ${where} is not known.`);
  if (systemCode === 'ECONNREFUSED') return offline(`Nothing answers at ${where}.`);
  if (typeof systemCode === 'string' && /^(CERT|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(systemCode)) {
    return {
      code: 'unavailable',
      message: `The certificate of ${where} is not trusted (${systemCode}).`,
      hint: 'It must be for this name, in force, and from an authority that this machine trusts; NODE_EXTRA_CA_CERTS=<file> adds one of your own.',
      isTransient: false,
    };
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

/** What answers is something else. */
export function notOurs(what: string): Failure {
  return {
    code: 'unavailable',
    message: `What answers is not a sync server: ${what}.`,
    hint: ADDRESS_HINT,
    isTransient: false,
  };
}
