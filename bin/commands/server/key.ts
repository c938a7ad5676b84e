/** `sm server key create|list|revoke`: the keys by which brains reach a workspace. A key is shown once. */
import type { CommandModule } from '../../command.ts';
import { STORE_OPTIONS } from '../../server-options.ts';
import { administer, refuseAction, refuseSurplus, requirePrefix, show, table, timeText } from './administration.ts';

interface MadeKey {
  apiKey: string;
  prefix: string;
  workspaceId: string;
  projectId: string;
  name: string;
}

interface KeyList {
  keys: {
    prefix: string;
    workspaceId: string;
    email: string | null;
    name: string;
    createdAt: number;
    revokedAt: number | null;
    lastUsedAt: number | null;
  }[];
}

export const command: CommandModule = {
  options: [
    { flags: '--workspace <id or name>', summary: 'The workspace that a new key opens' },
    { flags: '--new-workspace <name>', summary: 'Make a workspace for the new key' },
    { flags: '--name <text>', summary: 'What the key is for' },
    ...STORE_OPTIONS,
  ],
  notes: 'Works whether the server runs or not. The key itself is printed once and kept as a hash only.',
  examples: [
    'sm server key create --new-workspace acme',
    'sm server key create --workspace acme --name ci',
    'sm server key list',
    'sm server key revoke k3v9x2mq',
  ],
  async run(context, [action = '', ...rest], options) {
    if (action === 'revoke') {
      const prefix = requirePrefix(rest, 'sm server key revoke');
      const answer = await administer(context, options, 'key/revoke', { prefix });
      return show(context, options, answer, () => [`revoked ${prefix}`]);
    }
    refuseSurplus(rest, `sm server key`);
    if (action === 'list') {
      return show(context, options, await administer<KeyList>(context, options, 'key/list'), ({ keys }) =>
        table([
          ['PREFIX', 'WORKSPACE', 'NAME', 'CREATED', 'LAST USED', 'REVOKED'],
          ...keys.map((key) => [
            key.prefix,
            key.workspaceId,
            key.name,
            timeText(key.createdAt),
            timeText(key.lastUsedAt),
            timeText(key.revokedAt),
          ]),
        ]),
      );
    }
    if (action !== 'create') refuseAction(action, ['create', 'list', 'revoke'], 'sm server key');
    const request = {
      ...(options.text('workspace') === undefined ? {} : { workspace: options.text('workspace') }),
      ...(options.text('new-workspace') === undefined ? {} : { newWorkspace: options.text('new-workspace') }),
      ...(options.text('name') === undefined ? {} : { name: options.text('name') }),
    };
    const made = await administer<MadeKey>(context, options, 'key/create', request);
    const remark = `workspace ${made.workspaceId}; the key is not shown again. Use it with "sm login --key - --url …".`;
    return show(context, options, made, ({ apiKey }) => [apiKey], remark);
  },
};
