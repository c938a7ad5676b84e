/** One sync within a command: for whom, with progress on the terminal, and its failure as people read it. */
import type { Brain } from '../lib/brain/contract.ts';
import { SmError } from '../lib/core/errors.ts';
import type { Account, Context, Location, SyncMode, SyncReport } from './command.ts';
import { renderFailure } from './print/failure.ts';
import { createProgressLine } from './print/progress.ts';
import { progressText, syncNotes, wasRefused } from './print/sync.ts';
import { withoutSecrets } from './secrets.ts';

/** What a server is spoken to with. */
export interface Credentials {
  endpoint: string;
  apiKey: string;
  workspaceId: string;
  /** The project of the key; where none is known, the one that one is in. */
  projectId: string;
}

/**
 * @throws SmError `unauthorized` where there is no key; `forbidden` where the environment names a workspace that is not
 *   the key's
 */
export function requireCredentials(account: Account, location: Location): Credentials {
  const { endpoint, apiKey, workspaceId } = account;
  if (endpoint === undefined || apiKey === undefined || workspaceId === '') {
    throw new SmError({
      code: 'unauthorized',
      message: 'This brain is not logged in to a server.',
      hint:
        'Log in with sm login <email> --url <address>, or with the key of another machine: sm login --key - --url ' +
        '<address>. Everything works without, on this machine alone.',
    });
  }
  if (location.workspaceSource === 'env' && location.workspaceId !== workspaceId) {
    throw new SmError({
      code: 'forbidden',
      message: 'PROVENANT_WORKSPACE_ID names another workspace than the one that the key is for.',
      hint: 'Unset PROVENANT_WORKSPACE_ID to sync the workspace of sm login, or log in to the other one.',
    });
  }
  return { endpoint, apiKey, workspaceId, projectId: account.projectId ?? location.projectId };
}

/** Failures of the server are part of the report. @throws SmError for those of the brain */
export async function runSync(
  context: Context,
  brain: Brain,
  credentials: Credentials,
  options: { mode: SyncMode; verify?: boolean; restamp?: boolean },
): Promise<SyncReport> {
  const progress = createProgressLine(context);
  try {
    const report = await context.sync.once({
      brain,
      ...credentials,
      ...options,
      signal: context.signal,
      onProgress: (step) => progress.show(progressText(step)),
    });
    return withoutSecrets(report, [credentials.apiKey]);
  } finally {
    await progress.clear();
  }
}

/** Why a sync failed, and what else it has to say; on stderr. */
export async function writeSyncNotes(context: Context, brain: Brain, report: SyncReport): Promise<void> {
  const failure = report.reason === undefined ? '' : renderFailure(new SmError(report.reason));
  const { endpoint, workspaceId } = report;
  const hasRefusals =
    wasRefused(report) && (await brain.run('syncStanding', { endpoint, workspaceId })).refusedCount > 0;
  const notes = syncNotes(report, hasRefusals).map((note) => `${note}\n`);
  const text = failure + notes.join('');
  if (text !== '') await context.stderr.write(text);
}
