/**
 * The rim of HTTP: reading a body within its bounds, answering in JSON, and errors in their one shape. Never lets out
 * what is not an SmError of the protocol: stack traces, SQL, another tenant's data.
 */
import type { Context } from 'hono';
import { ERROR_TABLE, type ErrorCode, SmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { acceptedCoding, collectBody, encodeBody, type PackedBody, parseJson, unpackBody } from '../protocol/body.ts';
import { BODY_BYTES_MAX } from '../protocol/limits.ts';
import type { Caller } from './context.ts';
import type { ComingPush } from './push.ts';

export const BODY_BOUNDS = { packedBytesMax: BODY_BYTES_MAX, bytesMax: BATCH_BYTES_MAX };

/** What middleware leaves for those behind it. */
export interface ServerVariables {
  requestId: string;
  address: string;
  caller: Caller;
  /** Of a push alone. */
  coming: ComingPush;
  /** An SmError that was answered, for the log. */
  failure: SmError;
}

// oxlint-disable-next-line typescript/consistent-type-definitions
export type ServerEnv = { Variables: ServerVariables };
export type ServerRequest = Context<ServerEnv>;

/** Codes that an answer may have; all others are the server's own trouble. */
const WIRE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'bad_request',
  'unauthorized',
  'forbidden',
  'not_found',
  'workspace_exists',
  'forked',
  'replica_behind',
  'replica_ahead',
  'too_large',
  'unsupported_media',
  'unsupported_protocol',
  'rate_limited',
  'unavailable',
]);

/** The body of a request as JSON. @throws SmError as `readPackedBody`, `bad_request` */
export async function readJson(request: ServerRequest): Promise<unknown> {
  return parseJson(unpackBody(await readPackedBody(request), BATCH_BYTES_MAX));
}

/** The body of a request, which says that it is JSON, as it comes. @throws SmError `unsupported_media`, `too_large`, `bad_request` */
export async function readPackedBody(request: ServerRequest): Promise<PackedBody> {
  const [mediaType = ''] = (request.req.header('content-type') ?? '').split(';');
  if (mediaType.trim().toLowerCase() !== 'application/json') {
    throw new SmError({
      code: 'unsupported_media',
      message: 'The body must be JSON.',
      hint: 'Send Content-Type: application/json.',
    });
  }
  const packedBytes = Number(request.req.header('content-length') ?? 0);
  if (packedBytes > BODY_BYTES_MAX) {
    throw new SmError({
      code: 'too_large',
      message: `The body has more than ${BODY_BYTES_MAX / 1024 / 1024} MiB.`,
      hint: 'Send fewer changes at a time.',
    });
  }
  const { body } = request.req.raw;
  if (body === null) throw new SmError({ code: 'bad_request', message: 'The request has no body.' });
  try {
    return await collectBody(body, request.req.header('content-encoding'), BODY_BOUNDS);
  } catch (error) {
    if (error instanceof SmError) throw error;
    // Whoever sent it is gone, or was too slow: no trouble of the server's.
    throw new SmError({ code: 'bad_request', message: 'The body broke off before its end.', cause: error });
  }
}

/** The whole of an answer, packed where the asker understands it. */
export async function answerJson(request: ServerRequest, value: unknown, status = 200): Promise<Response> {
  const { bytes, coding } = await encodeBody(value, acceptedCoding(request.req.header('accept-encoding')));
  return new Response(bytes, {
    status,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': String(bytes.length),
      'Cache-Control': 'no-store',
      ...(coding === undefined ? {} : { 'Content-Encoding': coding }),
    },
  });
}

/** The answer to a failure, whatever it is. */
export function answerError(error: SmError, status?: number): Response {
  const shown = WIRE_CODES.has(error.code) ? error : ownTrouble(error);
  const retryAfterS = shown.details?.['retryAfterS'];
  return new Response(JSON.stringify({ ...shown.toJSON(), ...topLevelDetails(shown) }), {
    status: status ?? ERROR_TABLE[shown.code].httpStatus,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
      ...(typeof retryAfterS === 'number' ? { 'Retry-After': String(retryAfterS) } : {}),
      ...(shown.code === 'unauthorized' ? { 'WWW-Authenticate': 'Bearer' } : {}),
    },
  });
}

/** Protocol 1 has the ids of an existing workspace beside the error. */
function topLevelDetails(error: SmError): Record<string, unknown> {
  return error.code === 'workspace_exists' ? (error.details ?? {}) : {};
}

function ownTrouble(error: SmError): SmError {
  const isBug = error.code === 'internal';
  return new SmError({
    code: isBug ? 'internal' : 'unavailable',
    message: isBug ? 'The server failed at this request; nothing was stored.' : 'The server cannot store or read now.',
    hint: 'Try again later. The request id finds the reason in the log of the server.',
    // A push that is smaller may find room.
    ...(error.code === 'disk_full' && error.details !== undefined ? { details: error.details } : {}),
  });
}
