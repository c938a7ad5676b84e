/** What is read of a body before its schema is known: the workspace and the protocol that it names. Pure. */
import { SmError } from '../core/errors.ts';

/** @throws SmError `forbidden` where the request names another workspace than the key's */
export function requireWorkspace(body: unknown, workspaceId: string): unknown {
  const named = (body as { workspaceId?: unknown } | null)?.workspaceId;
  if (typeof named !== 'string' || named === '' || named === workspaceId) return body;
  throw new SmError({
    code: 'forbidden',
    message: 'workspaceId: is not the workspace of this key.',
    details: { field: 'workspaceId' },
  });
}

export function protocolOf(body: unknown, supported: readonly number[]): number {
  const named = (body as { protocolVersion?: unknown } | null)?.protocolVersion;
  if (typeof named !== 'number') {
    throw new SmError({
      code: 'bad_request',
      message: 'protocolVersion: must be a number.',
      details: { field: 'protocolVersion' },
    });
  }
  if (supported.includes(named)) return named;
  throw new SmError({
    code: 'unsupported_protocol',
    message: `This server speaks protocol ${supported.join(' and ')} here.`,
    hint: 'Upgrade whichever is older.',
    details: { supported },
  });
}

/** Clients of protocol 1 name themselves in a header, too. */
export function withClientId(body: unknown, header: string | undefined): unknown {
  const fields = body as Record<string, unknown>;
  return fields['clientId'] === undefined && header !== undefined ? { ...fields, clientId: header } : body;
}
