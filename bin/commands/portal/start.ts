/** `sm portal start`: serves the terminal's page until it is ended; `--detach` leaves it behind and says where it is. */
import path from 'node:path';
import { syncedEndpoint } from '../../../lib/scope/account.ts';
import { currentDirectory } from '../../../lib/scope/paths.ts';
import type { CommandModule, Context, Options } from '../../command.ts';
import { portalDirectory, SESSION_DEFAULT } from '../../portal-options.ts';
import { portOf } from '../../port-option.ts';
import { writeJson } from '../../print/json.ts';
import { serviceManager, withoutServiceManager } from '../../service-manager.ts';

const PORT_DEFAULT = 7799;
const COMMAND_DEFAULT = 'claude';

export const command: CommandModule = {
  options: [
    { flags: '--port <number>', summary: `Port to listen on (default ${PORT_DEFAULT}; 0 for any that is free)` },
    { flags: '--host <address>', summary: 'Listen there and nowhere else (default: tailnet and loopback)' },
    { flags: '--session <name>', summary: `The session that is shown first (default ${SESSION_DEFAULT})` },
    { flags: '--command <program>', summary: `What a new session runs (default ${COMMAND_DEFAULT})` },
    { flags: '--cwd <directory>', summary: 'Where it runs (default: here)' },
    { flags: '--allow <account>', summary: 'Only this account of the tailnet; may be repeated', isRepeatable: true },
    {
      flags: '--host-name <name>',
      summary: 'Another name by which browsers ask for it, as behind a proxy; may be repeated',
      isRepeatable: true,
    },
    { flags: '--no-auth', summary: 'No token: whoever reaches it has the terminal. Tailnet and loopback only' },
    { flags: '--read-only', summary: 'Every viewer may only look' },
    { flags: '--no-tmux', summary: 'A program for each viewer, which ends with the portal' },
    { flags: '--existing-server', summary: 'Join the tmux server of another service; never start one' },
    { flags: '--detach', summary: 'Go on in the background' },
  ],
  notes:
    'Words after -- are the arguments of --command. The page wants the token once, which is shown on a terminal and by ' +
    '"sm portal token". Ending the portal does not end the session. See docs/PORTAL.md.',
  examples: [
    'sm portal start',
    'sm portal start --detach --cwd ~/project',
    'sm portal start --session work --command bash -- -l',
  ],
  async run(context, args, options) {
    const settings = settingsOf(context, args, options);
    if (options.isSet('detach')) {
      const { detach } = await import('../../portal-detach.ts');
      return detach(context, { directory: settings.directory, args, options });
    }
    if (settings.host !== undefined && ['0.0.0.0', '::'].includes(settings.host)) {
      await context.stderr.write(
        `sm: ${settings.host} is every network that this machine is in, not the tailnet alone: whoever reaches the port ` +
          'and has the token has this terminal, and the token crosses those networks unencrypted.\n',
      );
    }
    const { loadPortal } = await import('../../../portal/load.ts');
    const portal = loadPortal();
    const manager = serviceManager(context.env);
    const exitCode = await portal.start(
      settings,
      async ({ token, ...started }) => {
        await manager.ready(`${started.addresses.join(', ')}, session ${started.session}`);
        for (const problem of started.problems) await context.stderr.write(`sm: ${problem}\n`);
        if (options.isSet('json')) return writeJson(context, { pid: process.pid, ...started });
        const lines = started.addresses.map((address) => `listening on ${address}`);
        // Only a person is shown the token: what is piped ends in a log.
        if (context.stdout.isTerminal && token !== null) {
          const address = `${started.addresses[0] ?? ''}?token=${token}`;
          lines.push('', `open ${address}`, '', portal.qrOf(address));
        }
        await context.stdout.write(`${lines.join('\n')}\n`);
      },
      (message) => void context.stderr.write(`${new Date(context.now()).toISOString()} ${message}\n`),
    );
    await manager.stopping();
    return exitCode;
  },
};

function settingsOf(context: Context, args: readonly string[], options: Options) {
  const named = options.text('host');
  const host = named === 'localhost' ? '127.0.0.1' : named;
  const socket = context.env['SM_TAILSCALED_SOCKET'];
  const cwd = path.resolve(currentDirectory(), options.text('cwd') ?? '.');
  return {
    directory: portalDirectory(context),
    port: portOf(options, PORT_DEFAULT),
    ...(host === undefined ? {} : { host }),
    session: options.text('session') ?? SESSION_DEFAULT,
    agent: {
      command: [options.text('command') ?? COMMAND_DEFAULT, ...args] as [string, ...string[]],
      cwd,
      env: withoutServiceManager(context.env),
    },
    hasTmux: !options.isSet('no-tmux'),
    startsTmuxServer: !options.isSet('existing-server'),
    hasAuth: !options.isSet('no-auth'),
    isReadOnly: options.isSet('read-only'),
    allowed: options.texts('allow'),
    hostNames: options.texts('host-name'),
    brain: brainOf(context, cwd),
    ...(socket === undefined ? {} : { tailscaledSocket: socket }),
  };
}

/** The project that the agent works in, as it is when somebody looks: one may log in meanwhile. */
function brainOf(context: Context, cwd: string) {
  return {
    locate: async () => {
      const [{ workspaceId, projectId, projectSource, projectDetail }, account] = await Promise.all([
        context.locate(cwd),
        context.account.read(),
      ]);
      const endpoint = syncedEndpoint(account, workspaceId);
      const project = projectSource === 'origin' ? projectDetail : path.basename(cwd);
      return { workspaceId, projectId, project, ...(endpoint === undefined ? {} : { endpoint }) };
    },
    connect: async () => {
      const { brainDirectory, hostIdleMs } = await context.locate(cwd);
      return context.connect({ brainDirectory, inProcess: false, ...(hostIdleMs === undefined ? {} : { hostIdleMs }) });
    },
  };
}
