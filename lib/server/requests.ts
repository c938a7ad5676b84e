/** What is read of a request beside its body: the key, the route; and its log line, which holds no key and nothing of what was said. */
import type { SmError } from '../core/errors.ts';
import type { ServerContext } from './context.ts';
import type { ServerEnv, ServerRequest } from './http.ts';

/** A key is longer than this by no means; what is, is not looked up. */
const BEARER_CHARACTERS_MAX = 512;

export function bearerOf(request: ServerRequest): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(request.req.header('authorization') ?? '')?.[1];
  return bearer === undefined || bearer.length > BEARER_CHARACTERS_MAX ? undefined : bearer;
}

/** The route as it is written, so that a label has few values. */
export function routeOf(request: ServerRequest): string {
  const { path } = request.req;
  return path.startsWith('/v1/admin/') ? '/v1/admin' : KNOWN_PATHS.has(path) ? path : 'unknown';
}

const KNOWN_PATHS: ReadonlySet<string> = new Set([
  '/v1/brain/push',
  '/v1/brain/pull',
  '/v1/brain/digest',
  '/v1/brain/history',
  '/v1/brain/stream',
  '/v1/brain/workspace',
  '/v1/brain/health',
  '/mcp',
  '/v1/setup',
  '/v1/setup/reset',
  '/metrics',
]);

export function knownMethod(method: string): string {
  return ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].includes(method) ? method : 'other';
}

export function logRequest({ log }: ServerContext, request: ServerRequest, route: string, ms: number): void {
  const caller = request.get('caller') as ServerEnv['Variables']['caller'] | undefined;
  const failure = request.get('failure') as SmError | undefined;
  const { status } = request.res;
  const fields = {
    requestId: request.get('requestId'),
    method: knownMethod(request.req.method),
    route,
    status,
    ms: Math.round(ms * 10) / 10,
    ...(caller === undefined ? {} : { workspaceId: caller.workspaceId, key: caller.prefix }),
    ...(failure === undefined ? {} : { error: failure.code }),
  };
  if (status < 500) log.info(fields, 'request');
  else log.error({ ...fields, ...describeFailure(failure) }, 'request failed');
}

/** The reason, without what a database driver hangs on its errors: statements and their values. */
function describeFailure(failure: SmError | undefined): Record<string, unknown> {
  const cause = failure?.cause instanceof Error ? failure.cause : failure;
  return cause === undefined ? {} : { reason: cause.message, stack: cause.stack };
}
