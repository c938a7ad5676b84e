/** `sm logout`: takes the key out of the configuration. Talks to no server, and takes nothing out of the brain. */
import type { CommandModule } from '../command.ts';
import { escapeLine } from '../print/escape.ts';
import { writeJson } from '../print/json.ts';

export const command: CommandModule = {
  options: [],
  notes:
    'The key, the address and the e-mail address leave the configuration. The workspace and the project stay in it, so\n' +
    'that what is here is still found, and what is recorded now is pushed after the next login to that workspace.\n' +
    'The key itself stays valid on the server until it is revoked there.',
  examples: ['sm logout', 'sm logout --json'],
  async run(context, _args, options) {
    const { apiKey, endpoint, workspaceId } = await context.account.read();
    await context.account.write({ apiKey: null, apiUrl: null, email: null });
    const wasLoggedIn = apiKey !== undefined;
    if (options.isSet('json')) {
      await writeJson(context, { loggedOut: wasLoggedIn, endpoint: endpoint ?? null, workspaceId });
      return 0;
    }
    await context.stdout.write(
      wasLoggedIn ? `logged out${endpoint === undefined ? '' : ` of ${endpoint}`}\n` : 'not logged in\n',
    );
    if (workspaceId !== '') {
      await context.stderr.write(
        `The entries of workspace ${escapeLine(workspaceId)} stay here and are still found; new ones are filed there ` +
          'too, and are pushed after the next login to it.\n',
      );
    }
    return 0;
  },
};
