/**
 * Signing up, and getting a new key for an account. Refuses before anything about an e-mail address is told to who has
 * no business with it: without an invitation, or without a key of that account's workspace.
 */
import { randomUUID } from 'node:crypto';
import { SmError } from '../core/errors.ts';
import { parseWire, resetRequest, setupRequest, type SetupAnswer } from '../protocol/wire.ts';
import type { ServerContext } from './context.ts';
import { createSecret, hashSecret, isSameSecret } from './keys.ts';
import type { NewWorkspace } from './store.ts';

export async function signUp(
  context: ServerContext,
  body: unknown,
  invitationHeader: string | undefined,
): Promise<SetupAnswer> {
  const { email, workspaceName, invitation = invitationHeader } = parseWire(setupRequest, body);
  const key = createSecret('sm', context.randomBytes);
  const answer = await context.store.signUp({
    email,
    nowMs: context.nowMs(),
    key,
    workspace: newWorkspace(context, workspaceName.trim() === '' ? email : workspaceName.trim()),
    isInvitationNeeded: context.signup === 'invitation',
    ...(invitation === undefined ? {} : { invitationHash: hashSecret(invitation) }),
  });
  if (answer.outcome === 'not_invited') {
    throw new SmError({
      code: 'forbidden',
      message: 'Signing up here needs a valid invitation.',
      hint: 'Ask whoever runs the server for one ("sm server invite create"). It works once, before it expires, and may be for one address only.',
    });
  }
  const { workspaceId, projectId } = answer;
  if (answer.outcome === 'created') return { apiKey: key.text, workspaceId, projectId };
  throw new SmError({
    code: 'workspace_exists',
    message: 'This e-mail address already has a workspace.',
    hint: 'Log in with its key, or ask for a new one ("sm login --reset").',
    details: { workspaceId, projectId },
  });
}

/** @param bearer the present key of the account's workspace, or the administrator's token */
export async function resetKeys(
  context: ServerContext,
  body: unknown,
  bearer: string | undefined,
): Promise<SetupAnswer> {
  const { email } = parseWire(resetRequest, body);
  const nowMs = context.nowMs();
  const isAllowed = context.reset === 'open' || isAdministrator(context, bearer);
  if (!isAllowed) await requireOwnAccount(context, email, bearer, nowMs);
  const key = createSecret('sm', context.randomBytes);
  const account = await context.store.resetKeys({ email, key, nowMs });
  if (account !== undefined) return { apiKey: key.text, ...account };
  throw new SmError({ code: 'not_found', message: 'No account has this e-mail address.', hint: 'Sign up first.' });
}

export function isAdministrator({ adminToken }: ServerContext, bearer: string | undefined): boolean {
  return adminToken !== undefined && bearer !== undefined && isSameSecret(bearer, adminToken);
}

export function newWorkspace({ randomBytes }: Pick<ServerContext, 'randomBytes'>, name: string): NewWorkspace {
  const projectId = Buffer.from(randomBytes(8)).toString('hex');
  return { workspaceId: randomUUID(), projectId, name };
}

/** The same refusal for an unknown address, an unknown key, and a key of another workspace. */
async function requireOwnAccount(
  { store }: ServerContext,
  email: string,
  bearer: string | undefined,
  nowMs: number,
): Promise<void> {
  const key = bearer === undefined ? undefined : await store.findKey(hashSecret(bearer), nowMs);
  const account = key === undefined || key.isRevoked ? undefined : await store.findAccount(email);
  if (account !== undefined && account.workspaceId === key?.workspaceId) return;
  throw new SmError({
    code: 'forbidden',
    message: 'Only the administrator, or somebody with a valid key of that account, can get a new key.',
    hint: 'Send a valid key as Authorization, or ask whoever runs the server ("sm server key create").',
  });
}
