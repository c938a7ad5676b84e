/**
 * How `sm portal status|stop|token|share` reach a running portal: HTTP over a socket in its private directory, with a
 * secret from a file there. Owns `portal.json`, which says where that is.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import * as v from 'valibot';
import { errorFromJson, SmError, type SmErrorJson, toSmError } from '../lib/core/errors.ts';
import { createSocketPath } from '../lib/host/places.ts';
import { writePrivateFile } from '../lib/host/private-file.ts';
import { isSameSecret, readJson } from './access.ts';

const PATIENCE_MS = 10_000;
const BODY_BYTES_MAX = 4 * 1024;
const ANSWER_BYTES_MAX = 1024 * 1024;

const placeSchema = v.object({ pid: v.number(), socket: v.string(), secret: v.string() });
const requestSchema = v.variant('do', [
  v.strictObject({ do: v.literal('status') }),
  v.strictObject({ do: v.literal('stop') }),
  v.strictObject({ do: v.literal('rotate') }),
  v.strictObject({
    do: v.literal('share'),
    session: v.string(),
    ageMs: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  }),
]);

export type ControlRequest = v.InferOutput<typeof requestSchema>;

function placeFile(directory: string): string {
  return path.join(directory, 'portal.json');
}

/** Answers until it is closed. The caller holds the directory's lock. */
export async function serveControl(
  directory: string,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<{ close(): Promise<void> }> {
  const secret = randomBytes(24).toString('base64url');
  const socket = createSocketPath(directory, randomBytes(8).toString('hex'));
  const server = http.createServer((request, response) => {
    void respond(request, secret, answer).then(({ status, body }) =>
      response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' }).end(JSON.stringify(body)),
    );
  });
  fs.rmSync(socket, { force: true }); // Its last owner has let go of the lock.
  server.listen(socket);
  await once(server, 'listening');
  if (process.platform !== 'win32') fs.chmodSync(socket, 0o600);
  writePrivateFile(placeFile(directory), `${JSON.stringify({ pid: process.pid, socket, secret })}\n`);
  return {
    close: async () => {
      fs.rmSync(placeFile(directory), { force: true });
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

async function respond(
  request: http.IncomingMessage,
  secret: string,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<{ status: number; body: unknown }> {
  try {
    if (!isSameSecret(request.headers.authorization ?? '', `Bearer ${secret}`)) {
      throw new SmError({ code: 'unauthorized', message: 'That is not the secret of this portal.' });
    }
    const parsed = v.safeParse(requestSchema, JSON.parse(await readBody(request, BODY_BYTES_MAX)));
    if (!parsed.success) throw new SmError({ code: 'bad_request', message: 'That is not a request to a portal.' });
    return { status: 200, body: await answer(parsed.output) };
  } catch (error) {
    return { status: 500, body: toSmError(error).toJSON() };
  }
}

async function readBody(stream: http.IncomingMessage, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bytesMax) throw new SmError({ code: 'too_large', message: 'The message is too large.' });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The answer of the portal that runs, or undefined where none does. @throws SmError what the portal answered */
export async function askPortal(directory: string, request: ControlRequest): Promise<unknown> {
  const place = v.safeParse(placeSchema, readJson(placeFile(directory)));
  if (!place.success) return undefined;
  const { socket, secret } = place.output;
  const call = http.request({
    socketPath: socket,
    method: 'POST',
    headers: { Authorization: `Bearer ${secret}` },
    agent: false,
  });
  call.setTimeout(PATIENCE_MS, () => call.destroy(new Error('no answer')));
  call.end(JSON.stringify(request));
  try {
    const [response] = (await once(call, 'response')) as [http.IncomingMessage];
    const body: unknown = JSON.parse(await readBody(response, ANSWER_BYTES_MAX));
    if (response.statusCode === 200) return body;
    throw errorFromJson(body as SmErrorJson);
  } catch (error) {
    if (error instanceof SmError) throw error;
    // The file outlived its portal: nobody listens any more.
    if (['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new SmError({
      code: 'host_unresponsive',
      message: `The portal (process ${place.output.pid}) does not answer.`,
      hint: `End it with kill ${place.output.pid}, and start it again.`,
      cause: error,
    });
  }
}
