/**
 * What an administrator does: workspaces, keys, invitations, the epoch. The same whether it comes over the wire
 * (/v1/admin) or from a command that has the store open itself. A secret is in the answer that makes it, and nowhere
 * else.
 */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { SmError } from '../core/errors.ts';
import { parseWire } from '../protocol/wire.ts';
import type { ServerContext } from './context.ts';
import { createSecret } from './keys.ts';
import { newWorkspace } from './setup.ts';
import type { ChangeStore, WorkspaceListing } from './store.ts';

export type AdministrationContext = Pick<ServerContext, 'store' | 'nowMs' | 'randomBytes'>;

const NAME_CHARACTERS_MAX = 200;
const EXPIRY_MS_MAX = 366 * 24 * 60 * 60 * 1000;
const EXPIRY_MS_DEFAULT = 7 * 24 * 60 * 60 * 1000;

const text = v.pipe(
  v.string('must be text'),
  v.check((s) => s.length > 0 && s.length <= NAME_CHARACTERS_MAX, `must have 1 to ${NAME_CHARACTERS_MAX} characters`),
  v.check((s) => !/\p{Cc}|\p{Surrogate}/u.test(s), 'must be plain text'),
);
const nothing = v.object({});
const byPrefix = v.object({ prefix: text });
const keyCreate = v.object({
  workspace: v.exactOptional(text),
  newWorkspace: v.exactOptional(text),
  name: v.optional(text, 'key'),
});
const inviteCreate = v.object({
  email: v.exactOptional(
    v.pipe(
      text,
      v.trim(),
      v.check((s) => /^[^\s@<>"]+@[^\s@<>"]+$/.test(s), 'must be an e-mail address'),
      v.toLowerCase(),
    ),
  ),
  workspace: v.exactOptional(text),
  expiresInMs: v.optional(
    v.pipe(
      v.number('must be a number'),
      v.safeInteger('must be a whole number'),
      v.minValue(1, 'must be at least 1'),
      v.maxValue(EXPIRY_MS_MAX, 'must be at most a year'),
    ),
    EXPIRY_MS_DEFAULT,
  ),
});

type Operation = (context: AdministrationContext, request: unknown) => Promise<unknown>;

/** By its path under /v1/admin/. */
export const ADMINISTRATION: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['key/create', createKey],
  ['key/list', list(async ({ store }) => ({ keys: await store.listKeys() }))],
  ['key/revoke', revoke('key', (store, prefix, nowMs) => store.revokeKey(prefix, nowMs))],
  ['invite/create', createInvitation],
  ['invite/list', list(async ({ store }) => ({ invitations: await store.listInvitations() }))],
  ['invite/revoke', revoke('invitation', (store, prefix, nowMs) => store.revokeInvitation(prefix, nowMs))],
  ['workspace/list', list(async ({ store }) => ({ workspaces: await store.listWorkspaces() }))],
  ['epoch/renew', renewEpoch],
]);

async function createKey(context: AdministrationContext, request: unknown): Promise<unknown> {
  const { workspace, newWorkspace: newName, name } = parseWire(keyCreate, request);
  if ((workspace === undefined) === (newName === undefined)) {
    throw new SmError({
      code: 'bad_request',
      message: 'workspace: a key is made for one workspace, an existing or a new one.',
      hint: 'Give --workspace <id or name>, or --new-workspace <name>.',
      details: { field: 'workspace' },
    });
  }
  const { store, nowMs, randomBytes } = context;
  const key = createSecret('sm', randomBytes);
  const made = newName === undefined ? undefined : newWorkspace(context, newName);
  const { workspaceId, projectId } = made ?? (await findWorkspace(store, workspace ?? ''));
  await store.createKey({ hash: key.hash, prefix: key.prefix, workspaceId, name, nowMs: nowMs() }, made);
  return { apiKey: key.text, prefix: key.prefix, workspaceId, projectId, name };
}

async function createInvitation(context: AdministrationContext, request: unknown): Promise<unknown> {
  const { email = null, workspace, expiresInMs } = parseWire(inviteCreate, request);
  const { store, nowMs, randomBytes } = context;
  const workspaceId = workspace === undefined ? null : (await findWorkspace(store, workspace)).workspaceId;
  const { text: invitation, hash, prefix } = createSecret('inv', randomBytes);
  const expiresAt = nowMs() + expiresInMs;
  await store.createInvitation({ hash, prefix, email, workspaceId, nowMs: nowMs(), expiresAt });
  return { invitation, prefix, email, workspaceId, expiresAt };
}

async function renewEpoch({ store }: AdministrationContext): Promise<unknown> {
  const epoch = randomUUID();
  await store.renewEpoch(epoch);
  return { epoch };
}

function list(read: (context: AdministrationContext) => Promise<unknown>): Operation {
  return (context, request) => {
    parseWire(nothing, request);
    return read(context);
  };
}

function revoke(what: string, run: (store: ChangeStore, prefix: string, nowMs: number) => Promise<boolean>): Operation {
  return async ({ store, nowMs }, request) => {
    const { prefix } = parseWire(byPrefix, request);
    if (await run(store, prefix, nowMs())) return { revoked: true, prefix };
    throw new SmError({
      code: 'not_found',
      message: `No valid ${what} has the prefix ${JSON.stringify(prefix.slice(0, 40))}.`,
      hint: `"sm server ${what === 'key' ? 'key' : 'invite'} list" shows the prefixes.`,
    });
  };
}

async function findWorkspace(store: ChangeStore, idOrName: string): Promise<WorkspaceListing> {
  const all = await store.listWorkspaces();
  const byId = all.find(({ workspaceId }) => workspaceId === idOrName);
  const byName = all.filter(({ name }) => name === idOrName);
  const found = byId ?? (byName.length === 1 ? byName[0] : undefined);
  if (found !== undefined) return found;
  throw new SmError({
    code: byName.length > 1 ? 'ambiguous' : 'not_found',
    message: `${byName.length > 1 ? 'Several workspaces have' : 'No workspace has'} the id or name ${JSON.stringify(idOrName.slice(0, 60))}.`,
    hint: '"sm server workspace list" shows them all; their ids are unique.',
  });
}
