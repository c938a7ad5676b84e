/** `sm server epoch renew`: after a backup was restored, so that brains send again what the backup lacks. */
import type { CommandModule } from '../../command.ts';
import { STORE_OPTIONS } from '../../server-options.ts';
import { administer, refuseAction, show } from './administration.ts';

export const command: CommandModule = {
  options: STORE_OPTIONS,
  notes: 'Brains that meet another epoch compare all that they hold with the server. Nothing is removed.',
  examples: ['sm server epoch renew', 'sm server epoch renew --data /var/lib/stackmemory'],
  async run(context, [action = ''], options) {
    if (action !== 'renew') refuseAction(action, ['renew'], 'sm server epoch');
    const answer = await administer<{ epoch: string }>(context, options, 'epoch/renew');
    return show(context, options, answer, ({ epoch }) => [`new epoch ${epoch}`]);
  },
};
