/** `sm host status`: whether the host runs. Never starts it. */
import type { CommandModule } from '../../command.ts';
import { renderFields } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { showBytes, showDuration, showTime } from '../../print/time.ts';
import { createView } from '../../print/view.ts';

export const command: CommandModule = {
  options: [],
  notes: 'Asking does not start the host.',
  examples: ['sm host status', 'sm host status --json'],
  async run(context, _args, options) {
    const { brainDirectory } = await context.locate();
    const status = await context.host.status({ brainDirectory });
    if (options.isSet('json')) {
      await writeJson(context, status);
    } else if (!status.running) {
      await context.stdout.write('not running; it starts with the next command\n');
    } else {
      const view = await createView(context, options, JSON.stringify(status));
      const fields = renderFields(view, [
        ['pid', String(status.pid)],
        ['version', status.version],
        ['started', showTime(view, status.startedAt)],
        ['memory', showBytes(status.rssBytes)],
        ['clients', `${status.clients} now, ${status.requests} requests so far`],
        ['ends', `after ${showDuration(status.idleMs)} without a client`],
        ['restarts', `${status.storeRestarts} of the store`],
        ['socket', status.socket],
      ]);
      await context.stdout.write(`${fields.join('\n')}\n`);
    }
    return 0;
  },
};
