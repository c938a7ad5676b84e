/** The calls of the sync protocol to this very server, without a network, for a caller who was let in already. */
import { SmError, toSmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { version } from '../core/version.ts';
import { collectBody, type PackedBody, parseJson, unpackBody } from '../protocol/body.ts';
import { digestRequest, historyRequest, parseWire, PROTOCOL_VERSIONS, pullRequest2 } from '../protocol/wire.ts';
import type { Caller, ServerContext } from './context.ts';
import { answerError, BODY_BOUNDS } from './http.ts';
import { digest, history, pull2 } from './pull.ts';
import { beginPush, push } from './push.ts';
import { Readers } from './readers.ts';
import { Turns } from './turns.ts';

/** What a sync that speaks protocol 2 needs as its `fetch`. */
export function localCalls(context: ServerContext, caller: Caller): typeof fetch {
  const readers = new Readers(0);
  const turns = new Turns();
  const answer = async (path: string, body: PackedBody): Promise<unknown> => {
    if (path === '/v1/brain/push') {
      const round = { context, readers, turns, caller, coming: beginPush(turns, caller.prefix), clientId: undefined };
      return (await push(round, body)).answer;
    }
    const request = parseJson(unpackBody(body, BATCH_BYTES_MAX));
    switch (path) {
      case '/v1/brain/pull':
        return pull2(context, caller, parseWire(pullRequest2, request));
      case '/v1/brain/digest':
        return digest(context, caller, parseWire(digestRequest, request));
      case '/v1/brain/history':
        return history(context, caller, parseWire(historyRequest, request));
      default:
        throw new SmError({ code: 'not_found', message: 'There is nothing at this address.' });
    }
  };
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname } = new URL(request.url);
    try {
      if (pathname === '/v1/brain/health') return Response.json({ version, protocolVersions: [...PROTOCOL_VERSIONS] });
      if (request.body === null) throw new SmError({ code: 'bad_request', message: 'The request has no body.' });
      const coding = request.headers.get('content-encoding') ?? undefined;
      return Response.json(await answer(pathname, await collectBody(request.body, coding, BODY_BOUNDS)));
    } catch (error) {
      return answerError(toSmError(error));
    }
  };
}
