/** `sm portal token`: shows the token, or makes another, which ends all logins. */
import type { CommandModule } from '../../command.ts';
import { portalDirectory } from '../../portal-options.ts';
import { writeJson } from '../../print/json.ts';

export const command: CommandModule = {
  options: [{ flags: '--rotate', summary: 'Make a new one; every login and link ends at once' }],
  notes: 'Whoever has the token has this terminal. It is kept in ~/.stackmemory/portal/token, which only you can read.',
  examples: ['sm portal token', 'sm portal token --rotate'],
  async run(context, _args, options) {
    const { loadPortal } = await import('../../../portal/load.ts');
    const portal = loadPortal();
    const directory = portalDirectory(context);
    const token = await portal.portalToken(directory, options.isSet('rotate'));
    const [address] = (await portal.portalStatus(directory))?.addresses ?? [];
    const link = address === undefined ? null : `${address}?token=${token}`;
    if (options.isSet('json')) await writeJson(context, { token, link });
    else if (link !== null && context.stdout.isTerminal) {
      await context.stdout.write(`${token}\n\nopen ${link}\n\n${portal.qrOf(link)}\n`);
    } else await context.stdout.write(`${token}\n`);
    return 0;
  },
};
