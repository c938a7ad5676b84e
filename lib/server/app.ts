/**
 * The sync server as a Hono application over a store. It never listens by itself: `app.request` and `app.fetch` are how
 * tests, the stub and listen.ts drive it. Owns the routes and what holds for all of them: request ids, limits, keys,
 * the log line, the one shape of errors.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Handler, Hono } from 'hono';
import { SmError, toSmError } from '../core/errors.ts';
import { version } from '../core/version.ts';
import {
  digestRequest,
  type HealthAnswer,
  historyRequest,
  parseWire,
  PROTOCOL_VERSIONS,
  pullRequest1,
  pullRequest2,
} from '../protocol/wire.ts';
import { addressOf, isLoopback } from './address.ts';
import { ADMINISTRATION } from './administration.ts';
import { DEFAULT_LIMITS, type ServerContext, type ServerOptions, SILENT_LOG } from './context.ts';
import { answerError, answerJson, readJson, readPackedBody, type ServerEnv } from './http.ts';
import { hashSecret, isSameSecret } from './keys.ts';
import { McpEndpoint } from './mcp.ts';
import { REPLICA_PATIENCE_MS } from './replica.ts';
import { Metrics } from './metrics.ts';
import { digest, history, pull1, pull2 } from './pull.ts';
import { beginPush, push } from './push.ts';
import { RateLimits } from './rate-limits.ts';
import { Readers } from './readers.ts';
import { protocolOf, requireWorkspace } from './request-fields.ts';
import { bearerOf, knownMethod, logRequest, routeOf } from './requests.ts';
import { isAdministrator, resetKeys, signUp } from './setup.ts';
import { Streams } from './stream.ts';
import { Turns } from './turns.ts';

const HEARTBEAT_MS_DEFAULT = 15_000;
const STORAGE_PATIENCE_MS = 3_000;

export type ServerApp = Hono<ServerEnv> & {
  /** Ends all streams, and lets no new one begin: the first step of a shutdown. */
  end: () => void;
  /** Closes what it has opened itself: the last step, before the store is closed. */
  close: () => Promise<void>;
};

export function createServerApp(options: ServerOptions): ServerApp {
  const context = withDefaults(options);
  const limits = new RateLimits(context.limits);
  const streams = new Streams(context);
  const turns = new Turns();
  const readers = new Readers(context.readerThreads, {
    onDeath: (reason) => context.log.error({ reason }, 'a thread that reads pushes ended; they are read without it'),
  });
  const metrics = new Metrics(() => streams.count);
  const mcp = context.replicaDirectory === undefined ? undefined : new McpEndpoint(context, context.replicaDirectory);
  const app = new Hono<ServerEnv>();

  app.onError((error, request) => {
    const failure = toSmError(error);
    request.set('failure', failure);
    return answerError(failure);
  });

  app.use(async (request, next) => {
    const startedMs = performance.now();
    const given = request.req.header('x-request-id') ?? '';
    request.set('requestId', /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID());
    request.set('address', addressOf(request, context.trustProxy));
    await next();
    request.res.headers.set('X-Request-Id', request.get('requestId'));
    const ms = performance.now() - startedMs;
    const route = routeOf(request);
    metrics.countRequest(route, knownMethod(request.req.method), request.res.status, ms);
    logRequest(context, request, route, ms);
  });

  app.use(async (request, next) => {
    await limits.countAddress(request.get('address'));
    await next();
  });

  /** Reads the key. What it opens is that key's workspace, whatever the request names. */
  const withKey: Handler<ServerEnv> = async (request, next) => {
    const address = request.get('address');
    await limits.requireFewFailures(address);
    const bearer = bearerOf(request);
    const hash = bearer === undefined ? '' : hashSecret(bearer);
    const key = bearer === undefined ? undefined : await context.store.findKey(hash, context.nowMs());
    if (key === undefined || key.isRevoked || !isSameSecret(hash, key.hash)) {
      await limits.countFailure(address);
      throw new SmError({
        code: 'unauthorized',
        message: key?.isRevoked === true ? 'This key was revoked.' : 'A valid key is needed.',
        hint: 'Send "Authorization: Bearer <apiKey>". With sm: log in with a valid key (sm login --key -).',
      });
    }
    request.set('caller', key);
    await limits.countKey(key.prefix);
    await next();
  };

  const post = (path: string, ...handlers: Handler<ServerEnv>[]): void => void app.on('POST', [path], ...handlers);

  /** Begins with the request, and not when its key was found: that may take one longer than another. */
  const inTurn: Handler<ServerEnv> = async (request, next) => {
    const { authorization = '', 'x-client-id': clientId = '' } = request.req.header();
    const coming = beginPush(turns, `${authorization} ${clientId}`);
    request.set('coming', coming);
    try {
      await next();
    } finally {
      coming.end();
    }
  };

  post('/v1/brain/push', inTurn, withKey, async (request) => {
    const [caller, coming, clientId] = [
      request.get('caller'),
      request.get('coming'),
      request.req.header('x-client-id'),
    ];
    const body = await readPackedBody(request);
    const { protocol, answer } = await push({ context, readers, turns, caller, coming, clientId }, body);
    metrics.countChanges(protocol === 1 ? 'protocol_1' : 'accepted', answer.accepted);
    if (protocol === 2) {
      metrics.countChanges('refused', answer.results.filter(({ outcome }) => outcome === 'refused').length);
    }
    return answerJson(request, answer);
  });

  post('/v1/brain/pull', withKey, async (request) => {
    const body = requireWorkspace(await readJson(request), request.get('caller').workspaceId);
    if (protocolOf(body, PROTOCOL_VERSIONS) === 1) {
      const answer = await pull1(context, request.get('caller'), parseWire(pullRequest1, body));
      metrics.countChanges('pulled', answer.entries.length);
      return answerJson(request, answer);
    }
    const answer = await pull2(context, request.get('caller'), parseWire(pullRequest2, body));
    metrics.countChanges('pulled', answer.changes?.length ?? answer.columns?.count[0] ?? 0);
    return answerJson(request, answer);
  });

  post('/v1/brain/digest', withKey, async (request) => {
    const body = requireWorkspace(await readJson(request), request.get('caller').workspaceId);
    protocolOf(body, [2]);
    return answerJson(request, await digest(context, request.get('caller'), parseWire(digestRequest, body)));
  });

  post('/v1/brain/history', withKey, async (request) => {
    const body = requireWorkspace(await readJson(request), request.get('caller').workspaceId);
    protocolOf(body, [2]);
    return answerJson(request, await history(context, request.get('caller'), parseWire(historyRequest, body)));
  });

  app.get('/v1/brain/workspace', withKey, (request) => {
    const { workspaceId, projectId, workspaceName } = request.get('caller');
    return answerJson(request, { workspaceId, projectId, workspaceName });
  });

  app.get('/v1/brain/stream', withKey, async (request) => {
    const lastEventId = request.req.header('last-event-id') ?? '';
    const told = /^\d{1,16}$/.test(lastEventId) ? Number(lastEventId) : 0;
    // Who asks for the head alone reads no stream, and would hold a place for minutes.
    const isRead = request.req.method !== 'HEAD';
    const body = isRead ? await streams.open(request.get('caller'), told, request.req.raw.signal) : null;
    return new Response(body, {
      headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
    });
  });

  app.all('/mcp', withKey, (request) => {
    if (mcp !== undefined) return mcp.answer(request);
    throw new SmError({ code: 'not_found', message: 'This server does not serve MCP.' });
  });

  app.get('/v1/brain/health', async (request) => {
    const isWell = await answersInTime(context.store.ping());
    const answer: HealthAnswer = {
      status: isWell ? 'ok' : 'unavailable',
      version,
      protocolVersions: [...PROTOCOL_VERSIONS],
      storage: isWell ? 'ok' : 'unavailable',
      serverTime: context.nowMs(),
    };
    return answerJson(request, answer, isWell ? 200 : 503);
  });

  post('/v1/setup', async (request) => {
    await limits.countSetup(request.get('address'));
    return answerJson(request, await signUp(context, await readJson(request), request.req.header('x-invitation')));
  });

  post('/v1/setup/reset', async (request) => {
    await limits.countSetup(request.get('address'));
    return answerJson(request, await resetKeys(context, await readJson(request), bearerOf(request)));
  });

  post('/v1/admin/:what/:action', async (request) => {
    await limits.requireFewFailures(request.get('address'));
    if (!isAdministrator(context, bearerOf(request))) {
      await limits.countFailure(request.get('address'));
      throw new SmError({ code: 'unauthorized', message: 'The administrator’s token is needed.' });
    }
    const operation = ADMINISTRATION.get(`${request.req.param('what')}/${request.req.param('action')}`);
    if (operation === undefined) throw new SmError({ code: 'not_found', message: 'There is no such operation.' });
    return answerJson(request, await operation(context, await readJson(request)));
  });

  app.get('/metrics', async (request) => {
    const isOpen = context.metrics === 'open' || isLoopback(request) || isAdministrator(context, bearerOf(request));
    if (!isOpen) throw new SmError({ code: 'forbidden', message: 'Metrics are for the administrator.' });
    const { contentType, body } = await metrics.text();
    return new Response(body, { headers: { 'Content-Type': contentType, 'Cache-Control': 'no-store' } });
  });

  const paths = new Map(app.routes.filter(({ method }) => method !== 'ALL').map(({ path, method }) => [path, method]));
  for (const [path, method] of paths) {
    app.all(path, () => {
      const response = answerError(
        new SmError({ code: 'bad_request', message: `This address takes ${method} only.` }),
        405,
      );
      response.headers.set('Allow', method);
      return response;
    });
  }

  app.notFound(() => answerError(new SmError({ code: 'not_found', message: 'There is nothing at this address.' })));

  const close = async (): Promise<void> => {
    await Promise.all([mcp?.close(), readers.close()]);
  };
  return Object.assign(app, { end: () => streams.end(), close });
}

function withDefaults(options: ServerOptions): ServerContext {
  return {
    nowMs: Date.now,
    log: SILENT_LOG,
    signup: 'invitation',
    reset: 'key',
    metrics: 'loopback',
    trustProxy: false,
    randomBytes,
    heartbeatMs: HEARTBEAT_MS_DEFAULT,
    readerThreads: 0,
    replicaPatienceMs: REPLICA_PATIENCE_MS,
    ...options,
    limits: options.limits === 'none' ? 'none' : { ...DEFAULT_LIMITS, ...options.limits },
    adminToken: options.adminToken,
    replicaDirectory: options.replicaDirectory,
  };
}

async function answersInTime(ping: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), STORAGE_PATIENCE_MS).unref();
  });
  const answer = ping.then(
    () => true,
    () => false,
  );
  return Promise.race([answer, patience]).finally(() => clearTimeout(timer));
}
