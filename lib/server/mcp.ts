/**
 * The brain as tools of an agent over Streamable HTTP: what "sm mcp" offers on stdin, for the workspace of the key. Owns
 * what is different over a network: who asks, which project is meant, and that private text is not for here.
 */
import { randomUUID } from 'node:crypto';
import type { Brain, OperationName, RequestOf } from '../brain/contract.ts';
import { SmError } from '../core/errors.ts';
import { SCOPE_CHARACTERS_MAX } from '../core/limits.ts';
import { marksPrivate } from '../core/private.ts';
import { parseEndTime, parseTime } from '../core/time-text.ts';
import { version } from '../core/version.ts';
import { agentOfClient } from '../mcp/client-agent.ts';
import { loadMcp } from '../mcp/load.ts';
import type { McpHttpHandler } from '../mcp/main.ts';
import type { McpRim } from '../mcp/rim.ts';
import { isLoopback } from './address.ts';
import type { Caller, ServerContext } from './context.ts';
import type { ServerRequest } from './http.ts';
import { Replicas } from './replicas.ts';

/** The project that a client works in; the key's own where it does not say. */
const PROJECT_HEADER = 'x-project-id';
/** An agent that says nothing else of itself is known by this. */
const AGENT_HEADER = 'x-agent';

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

export class McpEndpoint {
  readonly #context: ServerContext;
  readonly #replicas: Replicas;
  #handler: McpHttpHandler | undefined;

  constructor(context: ServerContext, directory: string) {
    this.#context = context;
    this.#replicas = new Replicas(context, directory);
  }

  /** @throws SmError `forbidden` for a page of another site, `bad_request` */
  answer(request: ServerRequest): Promise<Response> {
    requireOwnOrigin(request);
    // An agent introduces itself when its session begins, and asks a little later.
    this.#replicas.prepare(request.get('caller'));
    this.#handler ??= loadMcp().createHttpHandler((error) => {
      this.#context.log.warn({ reason: error.message }, 'mcp');
    });
    return this.#handler.fetch(request.req.raw, this.#rimFor(request));
  }

  async close(): Promise<void> {
    await this.#handler?.close();
    await this.#replicas.close();
  }

  #rimFor(request: ServerRequest): McpRim {
    const caller = request.get('caller');
    const scope = { workspaceId: caller.workspaceId, projectId: projectOf(request, caller) };
    const named = request.req.header(AGENT_HEADER);
    const agentOf = (clientName: string | undefined): string => {
      const client = agentOfClient(named ?? clientName ?? request.req.header('user-agent'));
      return client.known ?? agentOfClient(named ?? clientName).name;
    };
    const { nowMs } = this.#context;
    return {
      version,
      brain: () => Promise.resolve(withoutPrivateWrites(this.#replicas.brainFor(caller))),
      scope: () => Promise.resolve(scope),
      // Where the agent works is not known here.
      author: (clientName) => Promise.resolve({ scope, agent: agentOf(clientName), provenance: {} }),
      newId: () => randomUUID(),
      newFence: () => randomUUID().slice(0, 8),
      sinceMs: (text) => parseTime(text, nowMs()) ?? refuseTime('since', text),
      untilMs: (text) => parseEndTime(text, nowMs()) ?? refuseTime('until', text),
      asOfMs: async (text) => parseEndTime(text, nowMs()) ?? refuseTime('as_of', text),
    };
  }
}

/**
 * A page in somebody's browser has an origin; none but the server's own is let in. An agent has none. To this machine
 * itself a name may have been made to lead (DNS rebinding): there the origin must be this machine by name, too.
 */
function requireOwnOrigin(request: ServerRequest): void {
  const origin = request.req.header('origin');
  if (origin === undefined) return;
  const { host, hostname } = URL.canParse(origin) ? new URL(origin) : { host: '', hostname: '' };
  const isTrusted = !isLoopback(request) || LOOPBACK_NAMES.has(hostname);
  if (isTrusted && host !== '' && host === request.req.header('host')) return;
  throw new SmError({ code: 'forbidden', message: 'Pages of another site are not served.' });
}

function projectOf(request: ServerRequest, caller: Caller): string {
  const projectId = request.req.header(PROJECT_HEADER)?.trim() ?? '';
  if (projectId === '') return caller.projectId;
  if (projectId.length <= SCOPE_CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(projectId)) return projectId;
  throw new SmError({
    code: 'bad_request',
    message: `${PROJECT_HEADER}: must be an id of at most ${SCOPE_CHARACTERS_MAX} plain characters.`,
    hint: '"sm brain status" shows the id of a project.',
  });
}

/** What is private has left its machine by the time it is here: it is not kept, and who sent it is told. */
function withoutPrivateWrites(brain: Brain): Brain {
  return {
    run: (operation, request) => {
      requireNothingPrivate(operation, request);
      return brain.run(operation, request);
    },
    close: () => brain.close(),
  };
}

function requireNothingPrivate<O extends OperationName>(operation: O, request: RequestOf<O>): void {
  if (operation !== 'record' || !marksPrivate(JSON.stringify((request as RequestOf<'record'>).drafts))) return;
  throw new SmError({
    code: 'bad_request',
    message: '<private> text is for one machine alone, and this is another: nothing was recorded.',
    hint: 'Leave it out, or record it by "sm" on your machine.',
  });
}

function refuseTime(name: string, text: string): never {
  throw new SmError({
    code: 'bad_request',
    message: `${name} must be an age (7d, 12h) or a time (2026-01-31, or ISO 8601), but is ${JSON.stringify(text.slice(0, 60))}.`,
  });
}
