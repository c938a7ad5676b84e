/** `sm server workspace list`: the workspaces that a server keeps. */
import type { CommandModule } from '../../command.ts';
import { STORE_OPTIONS } from '../../server-options.ts';
import { administer, refuseAction, show, table, timeText } from './administration.ts';

interface WorkspaceList {
  workspaces: { workspaceId: string; name: string; projectId: string; createdAt: number; lastCursor: number }[];
}

export const command: CommandModule = {
  options: STORE_OPTIONS,
  examples: ['sm server workspace list', 'sm server workspace list --json'],
  async run(context, [action = ''], options) {
    if (action !== 'list') refuseAction(action, ['list'], 'sm server workspace');
    const answer = await administer<WorkspaceList>(context, options, 'workspace/list');
    return show(context, options, answer, ({ workspaces }) =>
      table([
        ['WORKSPACE', 'NAME', 'CREATED', 'LAST CHANGE'],
        ...workspaces.map(({ workspaceId, name, createdAt, lastCursor }) => [
          workspaceId,
          name,
          timeText(createdAt),
          timeText(lastCursor === 0 ? null : Math.floor(lastCursor / 1000)),
        ]),
      ]),
    );
  },
};
