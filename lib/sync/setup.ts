/** Getting a key from a server, and learning what a key is for. Failures are SmErrors: a person waits for the answer. */
import * as v from 'valibot';
import { SmError } from '../core/errors.ts';
import type { SetupAnswer } from '../protocol/wire.ts';
import { ADDRESS_HINT, CallFailure, OFFLINE_HINT } from './call-failure.ts';
import { call, type Server } from './transport.ts';

const DEADLINE_MS = 20_000;

/** Who logs in has nothing pending, and no address that is kept: in the place of what helps a sync. */
const HINTS: Readonly<Record<string, string>> = {
  [OFFLINE_HINT]: 'Check the address, and that the server is running ("sm serve"). Nothing was changed.',
  [ADDRESS_HINT]: 'Check the address. Nothing was changed.',
};

const plain = v.pipe(v.string(), v.minLength(1), v.maxLength(512), v.regex(/^[^\p{Cc}]*$/u));
const setupAnswer = v.object({ apiKey: plain, workspaceId: plain, projectId: plain });
const keyAnswer = v.object({ workspaceId: plain, projectId: plain, workspaceName: v.optional(v.string(), '') });

/**
 * Makes a workspace for an e-mail address.
 * @throws SmError `workspace_exists` where it has one, `forbidden` without the invitation that the server asks for
 */
export async function signUp(options: {
  endpoint: string;
  email: string;
  workspaceName: string;
  invitation?: string;
  fetch?: typeof fetch;
}): Promise<SetupAnswer> {
  const { email, workspaceName, invitation } = options;
  const body = { email, workspaceName, ...(invitation === undefined ? {} : { invitation }) };
  try {
    return await ask(setupAnswer, serverOf(options), 'POST', '/v1/setup', body);
  } catch (error) {
    // An older server has no code for it, only the status.
    if (!(error instanceof SmError && error.code === 'conflict')) throw error;
    throw new SmError({ ...error.toJSON(), code: 'workspace_exists', cause: error });
  }
}

/** A new key for an e-mail address; its older ones are revoked. @param options.apiKey the present key, where there is one */
export async function resetKey(options: {
  endpoint: string;
  email: string;
  apiKey?: string;
  fetch?: typeof fetch;
}): Promise<SetupAnswer> {
  return ask(setupAnswer, serverOf(options), 'POST', '/v1/setup/reset', { email: options.email });
}

/** What a key is for. @throws SmError `unauthorized`, `unavailable`; `not_found` from a server that cannot tell */
export async function readKey(options: {
  endpoint: string;
  apiKey: string;
  fetch?: typeof fetch;
}): Promise<{ workspaceId: string; projectId: string; workspaceName: string }> {
  return ask(keyAnswer, serverOf(options), 'GET', '/v1/brain/workspace');
}

function serverOf({
  endpoint,
  apiKey,
  fetch: send,
}: {
  endpoint: string;
  apiKey?: string;
  fetch?: typeof fetch;
}): Server {
  return { endpoint, apiKey: apiKey ?? '', deadlineMs: DEADLINE_MS, ...(send === undefined ? {} : { fetch: send }) };
}

async function ask<S extends v.GenericSchema>(
  schema: S,
  server: Server,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<v.InferOutput<S>> {
  try {
    const parsed = v.safeParse(schema, (await call(server, method, path, body)).body);
    if (parsed.success) return parsed.output;
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    const { code, message, hint, details } = error.failure;
    throw new SmError({
      code,
      message,
      ...(hint === undefined ? {} : { hint: HINTS[hint] ?? hint }),
      ...(details === undefined ? {} : { details }),
      cause: error,
    });
  }
  throw new SmError({
    code: 'unavailable',
    message: `What answers at ${server.endpoint} is not a sync server.`,
    hint: 'Check the address.',
  });
}
