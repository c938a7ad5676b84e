/**
 * `sm host run`: keeps the brain's host there until it is interrupted, for whoever runs services. The host stays a
 * process of its own, that any command may hand over to a newer version; this is a client that never leaves.
 */
import { ERROR_TABLE } from '../../../lib/core/errors.ts';
import type { CommandModule, Context, HostStatus, Location, Options } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { serviceManager } from '../../service-manager.ts';
import { scopeOf, withBrain } from '../../session.ts';

/** How long a host that has gone may be missed, in milliseconds. */
const CHECK_DELAY_MS = 5_000;

export const command: CommandModule = {
  options: [],
  notes:
    'A host starts with the first command and ends a while after the last. This keeps it, and with it the sync in the\n' +
    'background, for as long as the machine runs; it is what the unit stackmemory-brain runs. See docs/PROVISIONING.md.',
  examples: ['sm host run', 'STACKMEMORY_HOME=/srv/brain sm host run --json'],
  async run(context, _args, options) {
    const manager = serviceManager(context.env);
    return withBrain(context, options, async (brain, location) => {
      let pid: number | undefined;
      while (!context.signal.aborted) {
        const status = await context.host.status({ brainDirectory: location.brainDirectory });
        if (!status.running || status.pid !== pid) {
          // The question connects again, and starts a host where there is none.
          await brain.run('status', { scope: scopeOf(location) });
          const told = await tellWho(context, options, location);
          if (pid === undefined && told !== undefined) await manager.ready(`host ${told.pid}, version ${told.version}`);
          pid = told?.pid;
        }
        await context.wait(CHECK_DELAY_MS);
      }
      return ERROR_TABLE.interrupted.exitCode;
    });
  },
};

type Running = Extract<HostStatus, { running: true }>;

async function tellWho(context: Context, options: Options, location: Location): Promise<Running | undefined> {
  const status = await context.host.status({ brainDirectory: location.brainDirectory });
  if (!status.running) return undefined; // It has gone between the two questions: the next round sees to it.
  const { pid, version } = status;
  if (options.isSet('json')) await writeJson(context, { pid, version });
  else await context.stdout.write(`host ${pid}, version ${version}\n`);
  return status;
}
