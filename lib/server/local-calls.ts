/** The calls of the sync protocol to this very server, without a network, for a caller who was let in already. */
import { SmError, toSmError } from '../core/errors.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import { parseJson, readBody } from '../protocol/body.ts';
import { BODY_BYTES_MAX } from '../protocol/limits.ts';
import {
  digestRequest,
  historyRequest,
  parseWire,
  PROTOCOL_VERSIONS,
  pullRequest2,
  pushRequest2,
} from '../protocol/wire.ts';
import { version } from '../core/version.ts';
import type { Caller, ServerContext } from './context.ts';
import { answerError } from './http.ts';
import { digest, history, pull2 } from './pull.ts';
import { push2 } from './push.ts';

/** What a sync that speaks protocol 2 needs as its `fetch`. */
export function localCalls(context: ServerContext, caller: Caller): typeof fetch {
  const answer = (path: string, body: unknown): Promise<unknown> => {
    switch (path) {
      case '/v1/brain/health':
        return Promise.resolve({ version, protocolVersions: [...PROTOCOL_VERSIONS] });
      case '/v1/brain/push':
        return push2(context, caller, parseWire(pushRequest2, body));
      case '/v1/brain/pull':
        return pull2(context, caller, parseWire(pullRequest2, body));
      case '/v1/brain/digest':
        return digest(context, caller, parseWire(digestRequest, body));
      case '/v1/brain/history':
        return history(context, caller, parseWire(historyRequest, body));
      default:
        throw new SmError({ code: 'not_found', message: 'There is nothing at this address.' });
    }
  };
  return async (input, init) => {
    const request = new Request(input, init);
    try {
      const bounds = { packedBytesMax: BODY_BYTES_MAX, bytesMax: BATCH_BYTES_MAX };
      const coding = request.headers.get('content-encoding') ?? undefined;
      const body = request.body === null ? undefined : parseJson(await readBody(request.body, coding, bounds));
      return Response.json(await answer(new URL(request.url).pathname, body));
    } catch (error) {
      return answerError(toSmError(error));
    }
  };
}
