/** The table of all commands: what help and completion show without loading a command's module. */
import type { CommandGroup } from '../command.ts';

const BRAIN: CommandGroup = {
  name: 'brain',
  summary: 'Record what was learned, and find it again',
  commands: [
    {
      name: 'record',
      args: '',
      summary: 'Write one entry, or many from a file',
      load: () => import('./brain/record.ts'),
    },
    {
      name: 'recall',
      args: '[...query]',
      summary: 'Find entries, best first',
      load: () => import('./brain/recall.ts'),
    },
    {
      name: 'context',
      args: '[...query]',
      summary: 'What an agent should know, within a token budget',
      load: () => import('./brain/context.ts'),
    },
    {
      name: 'why',
      args: '<file>[:line]',
      summary: 'Entries about a place in the code, by its commits',
      load: () => import('./brain/why.ts'),
    },
    { name: 'list', args: '', summary: 'The newest entries', load: () => import('./brain/list.ts') },
    { name: 'show', args: '<id>', summary: 'One entry in full', load: () => import('./brain/show.ts') },
    { name: 'edit', args: '<id>', summary: 'Change fields of an entry', load: () => import('./brain/edit.ts') },
    {
      name: 'supersede',
      args: '<old> <new>',
      summary: 'Mark an entry as replaced by another',
      load: () => import('./brain/supersede.ts'),
    },
    {
      name: 'retract',
      args: '<id>',
      summary: 'Withdraw an entry; it stays in the history',
      load: () => import('./brain/retract.ts'),
    },
    {
      name: 'useful',
      args: '<id>',
      summary: 'Mark an entry as proven right; it counts for more',
      load: async () => ({ command: (await import('./brain/feedback.ts')).useful }),
    },
    {
      name: 'stale',
      args: '<id>',
      summary: 'Mark an entry as out of date; it counts for less',
      load: async () => ({ command: (await import('./brain/feedback.ts')).stale }),
    },
    {
      name: 'history',
      args: '<id>',
      summary: 'Every version of an entry, and why one won',
      load: () => import('./brain/history.ts'),
    },
    {
      name: 'log',
      args: '',
      summary: 'Recent changes, one by one',
      load: () => import('./brain/log.ts'),
    },
    {
      name: 'status',
      args: '',
      summary: 'Scope, counts and health of the brain',
      load: () => import('./brain/status.ts'),
    },
    {
      name: 'sync',
      args: '',
      summary: 'Push and pull now, without waiting for the host',
      load: () => import('./brain/sync.ts'),
    },
    {
      name: 'conflicts',
      args: '[id]',
      summary: 'Versions that lost unseen, beside the current one',
      load: () => import('./brain/conflicts.ts'),
    },
    {
      name: 'resolve',
      args: '<id>',
      summary: 'Settle a conflict by saying which version holds',
      load: () => import('./brain/resolve.ts'),
    },
    {
      name: 'export',
      args: '',
      summary: 'Write the whole brain as JSON lines, or this project as Markdown',
      load: () => import('./brain/export.ts'),
    },
    {
      name: 'import',
      args: '[place]',
      summary: 'Merge an export, JSON lines, or the records of other tools',
      load: () => import('./brain/import.ts'),
    },
  ],
};

const HOST: CommandGroup = {
  name: 'host',
  summary: 'The background process that owns the brain',
  commands: [
    {
      name: 'status',
      args: '',
      summary: 'Whether it is running, and its state',
      load: () => import('./host/status.ts'),
    },
    {
      name: 'stop',
      args: '',
      summary: 'End it; the next command starts it again',
      load: () => import('./host/stop.ts'),
    },
    { name: 'logs', args: '', summary: 'Show its log', load: () => import('./host/logs.ts') },
    { name: 'run', args: '', summary: 'Keep it running, as a service', load: () => import('./host/run.ts') },
  ],
};

const EMBEDDINGS: CommandGroup = {
  name: 'embeddings',
  summary: 'Recall by meaning, with a model of your own choice',
  commands: [
    { name: 'on', args: '', summary: 'Try an embeddings server, and use it', load: () => import('./embeddings/on.ts') },
    { name: 'off', args: '', summary: 'Recall by words alone', load: () => import('./embeddings/off.ts') },
    {
      name: 'status',
      args: '',
      summary: 'Whether they work, and how far along they are',
      load: () => import('./embeddings/status.ts'),
    },
  ],
};

const SERVER: CommandGroup = {
  name: 'server',
  summary: 'Keys, invitations and workspaces of a sync server',
  commands: [
    {
      name: 'key',
      args: '<action> [prefix]',
      summary: 'Make, list and revoke keys: create, list, revoke',
      load: () => import('./server/key.ts'),
    },
    {
      name: 'invite',
      args: '<action> [prefix]',
      summary: 'Make, list and revoke invitations: create, list, revoke',
      load: () => import('./server/invite.ts'),
    },
    {
      name: 'workspace',
      args: '<action>',
      summary: 'The workspaces of the server: list',
      load: () => import('./server/workspace.ts'),
    },
    {
      name: 'epoch',
      args: '<action>',
      summary: 'Begin a new history after a restored backup: renew',
      load: () => import('./server/epoch.ts'),
    },
  ],
};

const PORTAL: CommandGroup = {
  name: 'portal',
  summary: 'A terminal in the browser, for your own devices',
  commands: [
    {
      name: 'start',
      args: '[...arguments]',
      summary: 'Show the agent on a page, on the tailnet and nowhere else',
      load: () => import('./portal/start.ts'),
    },
    { name: 'status', args: '', summary: 'Where it is, and who is looking', load: () => import('./portal/status.ts') },
    { name: 'stop', args: '', summary: 'End it; the sessions live on', load: () => import('./portal/stop.ts') },
    {
      name: 'token',
      args: '',
      summary: 'Show the token for the page, or make a new one',
      load: () => import('./portal/token.ts'),
    },
    {
      name: 'share',
      args: '',
      summary: 'A link to look at a session once, for a while',
      load: () => import('./portal/share.ts'),
    },
  ],
};

/** Commands without a group. `complete` is what the completion scripts call. */
const TOP_LEVEL: CommandGroup = {
  name: '',
  summary: '',
  commands: [
    {
      name: 'login',
      args: '[email]',
      summary: 'Connect this brain to a sync server',
      load: () => import('./login.ts'),
    },
    { name: 'logout', args: '', summary: 'Forget the key; what is here stays', load: () => import('./logout.ts') },
    { name: 'setup', args: '[agent]', summary: 'Connect an agent to the brain', load: () => import('./setup.ts') },
    {
      name: 'hook',
      args: '<event>',
      summary: 'What agents run by themselves',
      isHidden: true,
      load: () => import('./hook.ts'),
    },
    { name: 'doctor', args: '', summary: 'Check everything, and say what to do', load: () => import('./doctor.ts') },
    { name: 'upgrade', args: '', summary: 'Install the newest version', load: () => import('./upgrade.ts') },
    {
      name: 'completion',
      args: '<shell>',
      summary: 'Print a completion script for bash, zsh or fish',
      load: () => import('./completion.ts'),
    },
    {
      name: 'mcp',
      args: '',
      summary: 'Serve the brain to an agent over MCP, on stdin and stdout',
      load: () => import('./mcp.ts'),
    },
    { name: 'serve', args: '', summary: 'Run the sync server', load: () => import('./serve.ts') },
    { name: 'help', args: '[...command]', summary: 'Explain a command', load: () => import('./help.ts') },
    { name: 'version', args: '', summary: 'Print the version', load: () => import('./version.ts') },
    {
      name: 'complete',
      args: '[...words]',
      summary: 'Answer a completion script',
      isHidden: true,
      load: () => import('./complete.ts'),
    },
  ],
};

export const CATALOGUE: readonly CommandGroup[] = [TOP_LEVEL, BRAIN, EMBEDDINGS, HOST, SERVER, PORTAL];
