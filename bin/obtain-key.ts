/**
 * Where `sm login` gets its key: from the user, from a new workspace on the server, or in exchange for the older ones.
 * Refuses answers of the server that could not be kept. Writes nothing.
 * Invariant: a key is only ever sent to the server that it is for.
 */
import { SmError } from '../lib/core/errors.ts';
import { isExposed, parseEndpoint } from '../lib/scope/account.ts';
import { scopeIdFault } from '../lib/scope/scope-id.ts';
import { usageError } from './arguments.ts';
import type { Account, Context, KeyOwner, Options, SetupAnswer } from './command.ts';
import { decodeUtf8, readStdin } from './input.ts';
import { withoutSecrets } from './secrets.ts';

/** A key on stdin with its line end; keys have tens of characters. */
const KEY_BYTES_MAX = 4 * 1024;
const KEY_CHARACTERS_MAX = 1_024;
const EMAIL_CHARACTERS_MAX = 254;

/** What was asked for, checked as far as text alone can be. */
export interface LoginRequest {
  endpoint: string;
  /** The address that a key was asked for. */
  email?: string;
  /** A key that the user has given. */
  apiKey?: string;
  /** With an e-mail address the name of a new workspace, with a key the id of the one that it must be for. */
  workspace?: string;
  invitation?: string;
  isReset: boolean;
}

/** A key with all that is kept beside it. */
export interface Grant {
  apiKey: string;
  workspaceId: string;
  projectId?: string;
  email?: string;
  workspaceName?: string;
}

/** @throws SmError `bad_request`, whose text repeats neither a key nor what may be one */
export async function parseRequest(
  context: Context,
  account: Account,
  args: readonly string[],
  options: Options,
): Promise<LoginRequest> {
  const [emailText] = args;
  const key = options.text('key');
  const isReset = options.isSet('reset');
  const invitation = options.text('invitation');
  const workspace = options.text('workspace');
  if (key !== undefined && (emailText !== undefined || isReset || invitation !== undefined)) {
    throw usageError(
      '--key cannot be combined with an e-mail address, --reset or --invitation.',
      'Log in with an existing key (sm login --key -), or ask for a new one (sm login <email>).',
    );
  }
  const endpoint = endpointOf(context, account, options);
  const email = emailText === undefined ? undefined : parseEmail(emailText);
  if (email === undefined && key === undefined) {
    if (isReset || invitation !== undefined) {
      throw usageError('--reset and --invitation need the e-mail address.', 'For example: sm login ada@example.org');
    }
    // Logging in again, with what is there.
    if (presentKey(account, endpoint) === undefined) {
      throw usageError(
        'sm login needs an e-mail address, or --key.',
        `For example: sm login ada@example.org --url ${endpoint}; or with the key of another machine: sm login --key -`,
      );
    }
  }
  return {
    endpoint,
    ...(email === undefined ? {} : { email }),
    ...(key === undefined ? {} : { apiKey: await readKeyText(context, key) }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(invitation === undefined ? {} : { invitation }),
    isReset,
  };
}

/** The flag, then SM_API_URL, then the server that one is logged in to. */
function endpointOf(context: Context, account: Account, options: Options): string {
  const flag = options.text('url');
  if (flag !== undefined) return parseEndpoint(flag, '--url', 'bad_request');
  const variable = context.env['SM_API_URL']?.trim();
  if (variable) return parseEndpoint(variable, 'SM_API_URL', 'bad_request');
  if (account.endpoint !== undefined) return account.endpoint;
  throw usageError(
    'sm login needs the address of a server; there is no hosted one.',
    'Give --url <address>, or set SM_API_URL. "sm serve" runs a server of your own, and in a checkout of StackMemory ' +
      '"npm run stub" one to try things on.',
  );
}

function parseEmail(text: string): string {
  const email = text.trim().toLowerCase();
  if (email.length <= EMAIL_CHARACTERS_MAX && /^[^\s@<>"\p{Cc}]+@[^\s@<>"\p{Cc}]+$/u.test(email)) return email;
  throw usageError('That is not an e-mail address.', 'For example: sm login ada@example.org; a key goes with --key');
}

async function readKeyText(context: Context, text: string): Promise<string> {
  const key = (text === '-' ? decodeUtf8(await readStdin(context, 'the key', KEY_BYTES_MAX), 'stdin') : text).trim();
  if (isKeyShaped(key)) return key;
  throw usageError(
    key === '' ? 'The key is empty.' : 'The key contains blanks or other characters that no key has.',
    'Copy all of it and nothing else; it is "apiKey" in the config.json of a machine that is logged in.',
  );
}

/** What may stand in a request's header. */
function isKeyShaped(key: string): boolean {
  return key.length <= KEY_CHARACTERS_MAX && /^[!-~]+$/.test(key);
}

/** The key that is in the configuration, where it is for this server. */
export function presentKey(account: Account, endpoint: string): string | undefined {
  return account.endpoint === undefined || account.endpoint === endpoint ? account.apiKey : undefined;
}

/** @throws SmError as the server has it; `unavailable` where its answer is unfit */
export async function obtainKey(context: Context, account: Account, request: LoginRequest): Promise<Grant> {
  const { endpoint, email, isReset } = request;
  if (isExposed(endpoint)) {
    await context.stderr.write(
      `Warning: ${endpoint} is not encrypted, and everyone on the way to it can read the key and the entries. ` +
        'Use https, or a private network.\n',
    );
  }
  const present = presentKey(account, endpoint);
  if (request.apiKey !== undefined) return ownGrant(context, account, request, request.apiKey);
  if (email === undefined) {
    if (present === undefined) throw new Error('A login without an e-mail address and a key was let through.');
    return ownGrant(context, account, request, present);
  }
  if (isReset) return { ...checkAnswer(await reset(context, endpoint, email, present)), email };
  const isLoggedIn = present !== undefined && account.email === email;
  if (isLoggedIn && request.invitation === undefined) {
    const grant = await stillGranted(context, account, request, present);
    if (grant !== undefined) return grant;
  }
  return { ...checkAnswer(await signUp(context, request, email, isLoggedIn)), email };
}

/** What the key in the configuration is for; undefined where the server does not know it any more. */
async function stillGranted(
  context: Context,
  account: Account,
  request: LoginRequest,
  apiKey: string,
): Promise<Grant | undefined> {
  try {
    // The name of a workspace is for a new one.
    return await ownGrant(context, account, { ...request, workspace: undefined }, apiKey);
  } catch (error) {
    if (error instanceof SmError && error.code === 'unauthorized') return undefined;
    throw error;
  }
}

/** What a key that there is already is for. */
async function ownGrant(
  context: Context,
  account: Account,
  { endpoint, workspace }: Pick<LoginRequest, 'endpoint'> & { workspace?: string | undefined },
  apiKey: string,
): Promise<Grant> {
  const isPresent = apiKey === account.apiKey;
  const owner = await askOwner(context, endpoint, apiKey, workspace ?? (isPresent ? account.workspaceId : ''));
  const grant = { ...checkAnswer({ apiKey, ...owner }), workspaceName: withoutSecrets(owner.workspaceName, [apiKey]) };
  if (workspace !== undefined && workspace !== owner.workspaceId && workspace !== owner.workspaceName) {
    throw new SmError({
      code: 'forbidden',
      message: `The key is for workspace ${owner.workspaceId}, which is not the one that --workspace names.`,
      hint: 'Leave --workspace out to take the workspace of the key, or give the other key.',
    });
  }
  // The address stays with the key that was got for it.
  return { ...grant, ...(isPresent && account.email !== undefined ? { email: account.email } : {}) };
}

/** @param assumed the workspace to go by where the server cannot tell it, as one of protocol 1 alone; `""` for none */
async function askOwner(context: Context, endpoint: string, apiKey: string, assumed: string): Promise<KeyOwner> {
  try {
    return await context.sync.readKey({ endpoint, apiKey });
  } catch (error) {
    if (!(error instanceof SmError) || error.code !== 'not_found') throw error;
    if (assumed !== '') return { workspaceId: assumed, projectId: '', workspaceName: '' };
    throw new SmError({
      code: 'not_found',
      message: `${endpoint} does not tell which workspace a key is for.`,
      hint: 'Older servers do not know. Give it with --workspace <id>; it is in the config.json of another machine.',
      cause: error,
    });
  }
}

async function reset(
  context: Context,
  endpoint: string,
  email: string,
  present: string | undefined,
): Promise<SetupAnswer> {
  try {
    return await context.sync.resetKey({ endpoint, email, ...(present === undefined ? {} : { apiKey: present }) });
  } catch (error) {
    if (!(error instanceof SmError) || (error.code !== 'forbidden' && error.code !== 'unauthorized')) throw error;
    throw new SmError({
      code: error.code,
      message: error.message,
      hint:
        'Run this on a machine that is logged in, or ask the administrator of the server for a key (sm server key create). ' +
        'An e-mail address alone is never enough.',
      ...(error.details === undefined ? {} : { details: error.details }),
      cause: error,
    });
  }
}

async function signUp(
  context: Context,
  request: LoginRequest,
  email: string,
  isLoggedIn: boolean,
): Promise<SetupAnswer> {
  const { endpoint, invitation } = request;
  const workspaceName = request.workspace ?? email.slice(0, email.indexOf('@'));
  try {
    return await context.sync.signUp({
      endpoint,
      email,
      workspaceName,
      ...(invitation === undefined ? {} : { invitation }),
    });
  } catch (error) {
    if (!(error instanceof SmError)) throw error;
    if (error.code === 'forbidden' && isLoggedIn) {
      const { code, message, details } = error;
      throw new SmError({
        code,
        message,
        hint: `This machine is logged in there as ${email} already; "sm login" alone logs in again.`,
        ...(details === undefined ? {} : { details }),
        cause: error,
      });
    }
    if (error.code !== 'workspace_exists') throw error;
    throw new SmError({
      code: 'workspace_exists',
      message: `${email} already has a workspace at ${endpoint}, and an e-mail address alone gives no key to it.`,
      hint:
        'Use the key of a machine that is logged in ("apiKey" in its ~/.stackmemory/config.json): sm login --key - ' +
        `--url ${endpoint}. Or get an invitation: sm login ${email} --invitation <token>. Or get a new key with ` +
        `sm login ${email} --reset, which revokes all older keys of that address, so that its other machines have to ` +
        'log in again; the server asks for the present key, or its administrator has to do it.',
      ...(error.details === undefined ? {} : { details: error.details }),
      cause: error,
    });
  }
}

/** An answer that is written into the configuration must not break it. */
function checkAnswer({ apiKey, workspaceId, projectId }: SetupAnswer): Grant {
  // Ids are shown, so that one which holds the key is unfit too.
  const isFit = (id: unknown) =>
    typeof id === 'string' && scopeIdFault(id.trim()) === undefined && withoutSecrets(id, [apiKey]) === id;
  if (typeof apiKey !== 'string' || !isKeyShaped(apiKey) || !isFit(workspaceId) || workspaceId.trim() === '') {
    throw new SmError({
      code: 'unavailable',
      message: 'The server answered without a usable key and workspace.',
      hint: 'Check that the address is that of a StackMemory server: its /v1/brain/health tells its version.',
    });
  }
  const hasProject = isFit(projectId) && projectId.trim() !== '';
  return { apiKey, workspaceId: workspaceId.trim(), ...(hasProject ? { projectId: projectId.trim() } : {}) };
}
