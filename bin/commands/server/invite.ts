/** `sm server invite create|list|revoke`: who may sign up. An invitation is shown once and valid once. */
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule, Options } from '../../command.ts';
import { STORE_OPTIONS } from '../../server-options.ts';
import { administer, refuseAction, refuseSurplus, requirePrefix, show, table, timeText } from './administration.ts';

interface Invitation {
  prefix: string;
  email: string | null;
  workspaceId: string | null;
  expiresAt: number;
}

interface InvitationList {
  invitations: (Invitation & { usedAt: number | null; revokedAt: number | null })[];
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

export const command: CommandModule = {
  options: [
    { flags: '--email <address>', summary: 'Good for this address only' },
    { flags: '--workspace <id or name>', summary: 'Joins this workspace instead of getting a new one' },
    { flags: '--expires <age>', summary: 'How long it is good: 12h, 7d (default), 2w' },
    ...STORE_OPTIONS,
  ],
  notes: 'Works whether the server runs or not.',
  examples: [
    'sm server invite create --email ada@example.org',
    'sm server invite create --workspace acme --expires 2d',
    'sm server invite list',
    'sm server invite revoke k3v9x2mq',
  ],
  async run(context, [action = '', ...rest], options) {
    if (action === 'revoke') {
      const prefix = requirePrefix(rest, 'sm server invite revoke');
      const answer = await administer(context, options, 'invite/revoke', { prefix });
      return show(context, options, answer, () => [`revoked ${prefix}`]);
    }
    refuseSurplus(rest, 'sm server invite');
    if (action === 'list') {
      const answer = await administer<InvitationList>(context, options, 'invite/list');
      return show(context, options, answer, ({ invitations }) =>
        table([
          ['PREFIX', 'E-MAIL', 'WORKSPACE', 'EXPIRES', 'USED', 'REVOKED'],
          ...invitations.map((each) => [
            each.prefix,
            each.email,
            each.workspaceId,
            timeText(each.expiresAt),
            timeText(each.usedAt),
            timeText(each.revokedAt),
          ]),
        ]),
      );
    }
    if (action !== 'create') refuseAction(action, ['create', 'list', 'revoke'], 'sm server invite');
    const expiresInMs = expiryOf(options);
    const request = {
      ...(options.text('email') === undefined ? {} : { email: options.text('email') }),
      ...(options.text('workspace') === undefined ? {} : { workspace: options.text('workspace') }),
      ...(expiresInMs === undefined ? {} : { expiresInMs }),
    };
    const made = await administer<Invitation & { invitation: string }>(context, options, 'invite/create', request);
    const remark = `valid once, until ${timeText(made.expiresAt)} UTC; it is not shown again.`;
    return show(context, options, made, ({ invitation }) => [invitation], remark);
  },
};

function expiryOf(options: Options): number | undefined {
  const text = options.text('expires');
  if (text === undefined) return undefined;
  const age = /^(\d{1,5})([mhdw])$/.exec(text);
  if (age !== null) return Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0);
  throw usageError(
    `--expires must be an age such as 12h or 7d, but is ${quoteShort(text)}.`,
    'For example: --expires 7d',
  );
}
