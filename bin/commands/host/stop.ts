/** `sm host stop`: ends the host. That none runs is success too. */
import type { CommandModule } from '../../command.ts';
import { writeJson } from '../../print/json.ts';

export const command: CommandModule = {
  options: [{ flags: '--force', summary: 'Kill it where it does not end by itself; nothing acknowledged is lost' }],
  notes: 'Requests under way are finished first. The next command starts the host again.',
  examples: ['sm host stop', 'sm host stop --force --json'],
  async run(context, _args, options) {
    const { brainDirectory } = await context.locate();
    const result = await context.host.stop({ brainDirectory, force: options.isSet('force') });
    if (options.isSet('json')) await writeJson(context, result);
    else if (result.stopped)
      await context.stdout.write(`stopped${result.pid === undefined ? '' : ` pid ${result.pid}`}\n`);
    else await context.stdout.write('not running\n');
    return 0;
  },
};
