/** `sm portal stop`: ends the portal; its sessions live on. That none runs is success too. */
import type { CommandModule } from '../../command.ts';
import { portalDirectory } from '../../portal-options.ts';
import { writeJson } from '../../print/json.ts';

export const command: CommandModule = {
  options: [],
  notes: 'The sessions go on in tmux. Pages that are open wait, and go on when the portal is back.',
  examples: ['sm portal stop', 'sm portal stop --json'],
  async run(context, _args, options) {
    const { loadPortal } = await import('../../../portal/load.ts');
    const stopped = await loadPortal().stopPortal(portalDirectory(context));
    if (options.isSet('json')) await writeJson(context, { stopped: stopped !== undefined, ...stopped });
    else await context.stdout.write(stopped === undefined ? 'not running\n' : `stopped pid ${stopped.pid}\n`);
    return 0;
  },
};
