/**
 * `sm login`: gets a key, keeps it in the configuration, takes over what was recorded before, and syncs once. From the
 * moment the key is kept one is logged in; what fails after that is said, and mended by logging in again.
 * Invariant: no output holds the key.
 */
import type { Brain } from '../../lib/brain/contract.ts';
import { SmError } from '../../lib/core/errors.ts';
import { adoptEntries, countEntries } from '../adoption.ts';
import type { Account, CommandModule, Context, Location, Options, SyncReport } from '../command.ts';
import { type Grant, type LoginRequest, obtainKey, parseRequest } from '../obtain-key.ts';
import { counted } from '../../lib/core/counted.ts';
import { escapeLine } from '../print/escape.ts';
import { writeJson } from '../print/json.ts';
import { syncLine } from '../print/sync.ts';
import { failureWithoutSecrets } from '../secrets.ts';
import { withBrain } from '../session.ts';
import { runSync, writeSyncNotes } from '../sync-run.ts';

/** What became of a login, as --json prints it. */
interface LoginResult {
  endpoint: string;
  workspaceId: string;
  workspaceName: string | null;
  projectId: string | null;
  email: string | null;
  adopted: number;
  /** Entries that belong to no workspace still. */
  notAdopted: number;
  /** The workspace before, where its entries stay. */
  earlierWorkspace: { workspaceId: string; entries: number } | null;
  sync: SyncReport | null;
}

export const command: CommandModule = {
  options: [
    { flags: '--url <address>', summary: 'The server (default: SM_API_URL, else the one of the last login)' },
    { flags: '--key <key>', summary: 'Use this key; "-" reads it from stdin', isSecret: true },
    { flags: '--workspace <name>', summary: 'Name of a new workspace; with --key the workspace it must be for' },
    { flags: '--invitation <token>', summary: 'What the server asks for where signing up is not open', isSecret: true },
    { flags: '--reset', summary: 'Get a new key; all older ones of the e-mail address are revoked' },
    { flags: '--no-adopt', summary: 'Leave what was recorded before out of the workspace' },
    { flags: '--no-sync', summary: 'Do not sync now' },
  ],
  notes:
    'An e-mail address gets a key for a new workspace. Further machines use that key: --key - keeps it out of the\n' +
    "shell's history. Alone, sm login logs in again with the key that there is. Entries recorded before are taken over\n" +
    'into the workspace and pushed. The key is kept in ~/.stackmemory/config.json, readable for you alone.',
  examples: [
    'sm login ada@example.org --url https://sync.example.org --invitation inv_…',
    'ssh laptop jq -r .auth.apiKey .stackmemory/config.json | sm login --key - --url https://sync.example.org',
    'sm login ada@example.org --reset',
    'sm login --key - --url http://127.0.0.1:8787 --no-adopt < key.txt',
  ],
  async run(context, args, options) {
    const account = await context.account.read();
    const secrets = [account.apiKey, options.text('key'), options.text('invitation')];
    try {
      const request = await parseRequest(context, account, args, options);
      secrets.push(request.apiKey);
      // A key that the server makes is told once: it must not be lost because it cannot be kept.
      await context.account.checkWritable();
      const grant = await obtainKey(context, account, request);
      secrets.push(grant.apiKey);
      await context.account.write({
        apiKey: grant.apiKey,
        apiUrl: request.endpoint,
        projectId: grant.projectId ?? null,
        workspaceId: grant.workspaceId,
        email: grant.email ?? null,
      });
      await settle(context, options, account, request, grant);
      return 0;
    } catch (error) {
      throw failureWithoutSecrets(error, secrets);
    }
  },
};

/** What comes after the key is kept. @throws SmError that says that one is logged in all the same */
async function settle(
  context: Context,
  options: Options,
  account: Account,
  request: LoginRequest,
  grant: Grant,
): Promise<void> {
  const isJson = options.isSet('json');
  if (!isJson) await context.stdout.write(loggedInLine(request, grant));
  let result: LoginResult;
  try {
    result = await withBrain(context, options, (brain, location) =>
      settleBrain(context, options, { account, request, grant, brain, location }),
    );
  } catch (error) {
    if (!(error instanceof SmError)) throw error;
    const { code, message, hint, details } = error;
    throw new SmError({
      code,
      message: `Logged in, but the brain could not be brought along: ${message}`,
      hint: `${hint ?? ''} Then run sm login again, without arguments: it does what is left.`.trim(),
      ...(details === undefined ? {} : { details }),
      cause: error,
    });
  }
  if (isJson) await writeJson(context, result);
}

async function settleBrain(
  context: Context,
  options: Options,
  made: { account: Account; request: LoginRequest; grant: Grant; brain: Brain; location: Location },
): Promise<LoginResult> {
  const { account, request, grant, brain, location } = made;
  const { endpoint } = request;
  const { apiKey, workspaceId } = grant;
  const say = async (text: string) => {
    if (!options.isSet('json')) await context.stderr.write(`${text}\n`);
  };
  if (location.workspaceSource === 'env' && location.workspaceId !== workspaceId) {
    await say('PROVENANT_WORKSPACE_ID is set: commands here go on using that workspace, and do not sync this one.');
  }

  const { adopted, remaining } = options.isSet('no-adopt')
    ? { adopted: 0, remaining: await countEntries(brain, '') }
    : await adoptEntries(context, brain, workspaceId);
  if (adopted > 0 && !options.isSet('json'))
    await context.stdout.write(`adopted ${counted(adopted, 'entry', 'entries')} recorded before login\n`);
  if (remaining > 0) {
    await say(
      `In no workspace, because recorded before: ${counted(remaining, 'entry', 'entries')}, which recall does not find ` +
        'while you are logged in. "sm login" again takes over what is left, and "sm brain export" has it in any case.',
    );
  }
  const earlierWorkspace = await findEarlier(brain, account.workspaceId, workspaceId);
  if (earlierWorkspace !== null) {
    const { workspaceId: earlier, entries } = earlierWorkspace;
    await say(
      `Filed under workspace ${escapeLine(earlier)}, on this machine and on its server, as before: ` +
        `${counted(entries, 'entry', 'entries')}. PROVENANT_WORKSPACE_ID=${escapeLine(earlier)} shows what is there.`,
    );
  }

  const credentials = { endpoint, apiKey, workspaceId, projectId: grant.projectId ?? location.projectId };
  const sync = options.isSet('no-sync') ? null : await runSync(context, brain, credentials, { mode: 'both' });
  if (sync !== null && !options.isSet('json')) {
    await context.stdout.write(syncLine(sync));
    await writeSyncNotes(context, brain, sync);
    if (!sync.success) await say('You are logged in all the same; what is pending is sent later.');
  }
  return {
    endpoint,
    workspaceId,
    workspaceName: grant.workspaceName ?? null,
    projectId: grant.projectId ?? null,
    email: grant.email ?? null,
    adopted,
    notAdopted: remaining,
    earlierWorkspace,
    sync,
  };
}

async function findEarlier(brain: Brain, earlier: string, now: string): Promise<LoginResult['earlierWorkspace']> {
  if (earlier === '' || earlier === now) return null;
  const entries = await countEntries(brain, earlier);
  return entries === 0 ? null : { workspaceId: earlier, entries };
}

function loggedInLine({ endpoint }: LoginRequest, { workspaceId, workspaceName, email }: Grant): string {
  const name = workspaceName === undefined || workspaceName === '' ? workspaceId : `${workspaceName} (${workspaceId})`;
  return `logged in to workspace ${escapeLine(name)} at ${endpoint}${email === undefined ? '' : ` as ${email}`}\n`;
}
