/**
 * `sm brain sync`: pushes and pulls now. A server that fails is no failure of the command line: the report says so, on
 * stdout with --json, and the exit code is that of the reason.
 */
import type { Brain } from '../../../lib/brain/contract.ts';
import { ERROR_TABLE } from '../../../lib/core/errors.ts';
import { usageError } from '../../arguments.ts';
import type { CommandModule, Context, Options, SyncMode, SyncReport } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { hasMoved, syncLine } from '../../print/sync.ts';
import { withBrain } from '../../session.ts';
import { requireCredentials, runSync, writeSyncNotes } from '../../sync-run.ts';

/** Between two rounds of --watch, in milliseconds; doubled after every failure up to the second. */
const WATCH_DELAY_MS = 5_000;
const WATCH_DELAY_MAX_MS = 5 * 60_000;

export const command: CommandModule = {
  options: [
    { flags: '--push', summary: 'Only send what is pending' },
    { flags: '--pull', summary: 'Only fetch what is new' },
    { flags: '--watch', summary: 'Keep syncing until interrupted, with a line whenever something moved' },
    { flags: '--verify', summary: 'Also prove that both sides hold the same, and mend what differs' },
    { flags: '--restamp', summary: 'Rewrite changes that were refused for their time, with the present time' },
  ],
  notes:
    'While logged in the host syncs by itself (off: "sync": { "auto": false } in the configuration), so that this\n' +
    'command is for scripts, and for watching it happen. Without the server nothing is lost: what is pending\n' +
    'is sent next time. Exit code 5 offline, 6 where the key is refused; --json prints the report even then.',
  examples: [
    'sm brain sync',
    'sm brain sync --push --json',
    'sm brain sync --watch',
    'sm brain sync --verify   # after a disk has failed or a backup was restored',
  ],
  async run(context, _args, options) {
    const mode = modeOf(options);
    if (options.isSet('watch') && options.isSet('verify')) {
      throw usageError('--watch and --verify do not go together.', 'Verify once: sm brain sync --verify');
    }
    requireCredentials(await context.account.read(), await context.locate());
    return withBrain(context, options, async (brain, location) => {
      const say = (report: SyncReport) => writeReport(context, options, brain, report);
      const sync = async (restamp: boolean) => {
        // Read each time: who logs out ends a watch, and who logs in again goes on with the new key.
        const credentials = requireCredentials(await context.account.read(), location);
        const verify = options.isSet('verify');
        return runSync(context, brain, credentials, { mode, verify, restamp });
      };
      if (options.isSet('watch')) return watch(context, options, { sync, say });
      const report = await sync(options.isSet('restamp'));
      await say(report);
      return exitCodeOf(report);
    });
  },
};

function modeOf(options: Options): SyncMode {
  if (options.isSet('push') && options.isSet('pull')) {
    throw usageError('--push and --pull exclude each other.', 'Leave both out to do both.');
  }
  if (options.isSet('push')) return 'push';
  return options.isSet('pull') ? 'pull' : 'both';
}

async function writeReport(context: Context, options: Options, brain: Brain, report: SyncReport): Promise<void> {
  if (options.isSet('json')) {
    await writeJson(context, report);
    return;
  }
  await context.stdout.write(syncLine(report));
  await writeSyncNotes(context, brain, report);
}

/**
 * Syncs until the user interrupts, or until trying again cannot help. Reports the first round, and each in which
 * something moved or that ended otherwise than the one before.
 */
async function watch(
  context: Context,
  options: Options,
  { sync, say }: { sync: (restamp: boolean) => Promise<SyncReport>; say: (report: SyncReport) => Promise<void> },
): Promise<number> {
  let delayMs = WATCH_DELAY_MS;
  let lastEnd: string | undefined;
  while (!context.signal.aborted) {
    const report = await sync(lastEnd === undefined && options.isSet('restamp'));
    if (context.signal.aborted) break;
    const end = report.success ? 'success' : String(report.reason?.code);
    if (end !== lastEnd || hasMoved(report)) await say(report);
    if (!report.success && exitCodeOf(report) !== ERROR_TABLE.unavailable.exitCode) return exitCodeOf(report);
    lastEnd = end;
    delayMs = report.success ? WATCH_DELAY_MS : Math.min(delayMs * 2, WATCH_DELAY_MAX_MS);
    await context.wait(delayMs);
  }
  return ERROR_TABLE.interrupted.exitCode;
}

function exitCodeOf(report: SyncReport): number {
  if (report.success) return 0;
  return ERROR_TABLE[report.reason?.code ?? 'unavailable'].exitCode;
}
