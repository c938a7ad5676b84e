/** `sm serve`: runs the sync server in the foreground until it is interrupted. Its log goes to stderr, as JSON lines. */
import type { CommandModule } from '../command.ts';
import { portOf } from '../port-option.ts';
import { writeJson } from '../print/json.ts';
import { serviceManager } from '../service-manager.ts';
import { STORE_OPTIONS, storeOf } from '../server-options.ts';
import { wordOf } from '../values.ts';

const PORT_DEFAULT = 7788;
const HOST_DEFAULT = '127.0.0.1';
const SIGNUPS = ['invitation', 'open'] as const;
const LOG_LEVELS = ['error', 'warn', 'info', 'silent'] as const;

export const command: CommandModule = {
  options: [
    { flags: '--port <number>', summary: `Port to listen on (default ${PORT_DEFAULT}; 0 for any that is free)` },
    { flags: '--host <address>', summary: `Address to listen on (default ${HOST_DEFAULT}; 0.0.0.0 for all)` },
    ...STORE_OPTIONS,
    { flags: '--signup <who>', summary: 'Who may sign up: invitation (default) or open', values: SIGNUPS },
    { flags: '--trust-proxy', summary: 'Believe X-Forwarded-For; only behind a proxy that sets it' },
    { flags: '--no-mcp', summary: 'No tools for agents at /mcp' },
    { flags: '--log-level <level>', summary: 'error, warn, info (default) or silent', values: LOG_LEVELS },
  ],
  notes:
    'Make a key with "sm server key create --new-workspace <name>", or an invitation with "sm server invite create". ' +
    'Agents with a key have the brain of its workspace as MCP tools at /mcp. ' +
    'SIGTERM and SIGINT end it after the requests under way; a second one ends it at once. See docs/SERVER.md.',
  examples: ['sm serve', 'sm serve --host 0.0.0.0 --port 8080 --data /var/lib/stackmemory', 'sm serve --signup open'],
  async run(context, _args, options) {
    const settings = {
      ...storeOf(context, options),
      port: portOf(options, PORT_DEFAULT),
      host: options.text('host') ?? HOST_DEFAULT,
      signup: wordOf(options, 'signup', SIGNUPS) ?? 'invitation',
      trustProxy: options.isSet('trust-proxy'),
      mcp: !options.isSet('no-mcp'),
      logLevel: wordOf(options, 'log-level', LOG_LEVELS) ?? 'info',
    };
    const adminToken = context.env['SM_ADMIN_TOKEN'] || undefined;
    const { loadServer } = await import('../../lib/server/load.ts');
    const manager = serviceManager(context.env);
    const exitCode = await loadServer().serve(
      { ...settings, ...(adminToken === undefined ? {} : { adminToken }) },
      async (place) => {
        await manager.ready(`listening on ${place.url}`);
        if (options.isSet('json')) await writeJson(context, place);
        else await context.stdout.write(`listening on ${place.url}\n`);
      },
    );
    await manager.stopping();
    return exitCode;
  },
};
