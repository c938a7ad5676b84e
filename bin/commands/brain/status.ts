/** `sm brain status`: where one is, what the brain holds, and how it is. */
import type { BrainStatus } from '../../../lib/brain/contract.ts';
import { ENTRY_KINDS } from '../../../lib/core/vocabulary.ts';
import type { CommandModule, HostStatus, Location } from '../../command.ts';
import { renderFields } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { hostLine } from '../../print/host.ts';
import { showBytes, showDuration, showTime } from '../../print/time.ts';
import { createView, type View } from '../../print/view.ts';
import { scopeOf, withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm brain status', 'sm brain status --json'],
  async run(context, _args, options) {
    return withBrain(context, options, async (brain, location) => {
      const status = await brain.run('status', { scope: scopeOf(location) });
      const host = await context.host.status({ brainDirectory: location.brainDirectory });
      if (options.isSet('json')) {
        await writeJson(context, {
          projectId: location.projectId,
          projectSource: location.projectSource,
          projectDetail: location.projectDetail,
          workspaceId: location.workspaceId,
          workspaceSource: location.workspaceSource,
          repoEntries: status.repoEntries,
          orgEntries: status.orgEntries,
          online: false,
          byStatus: status.byStatus,
          byKind: status.byKind,
          changes: status.changes,
          entries: status.entries,
          lastChangeAt: status.lastChangeAt,
          replicaId: status.replicaId,
          clockRegressionMs: status.clockRegressionMs,
          storeBytes: status.storeBytes,
          directory: status.directory,
          host,
        });
      } else {
        const view = await createView(context, options, JSON.stringify([status, location, host]));
        await context.stdout.write(renderStatus(view, status, location, host));
      }
      return 0;
    });
  },
};

function renderStatus(view: View, status: BrainStatus, location: Location, host: HostStatus): string {
  const { active, superseded, retracted } = status.byStatus;
  const workspace = location.workspaceId === '' ? 'local only' : location.workspaceId;
  const kinds = ENTRY_KINDS.map((kind) => `${kind} ${status.byKind[kind]}`).join(', ');
  const fields: (readonly [string, string])[] = [
    ['project', `${location.projectId} (${location.projectSource}: ${location.projectDetail})`],
    ['workspace', `${workspace} (${location.workspaceSource})`],
    ['entries', `${status.repoEntries} in this project, ${status.orgEntries} in the workspace`],
    ['kinds', kinds],
    ['states', `active ${active}, superseded ${superseded}, retracted ${retracted}`],
    ['log', `${status.changes} changes of ${status.entries} entries, over all workspaces`],
    ['last change', status.lastChangeAt === null ? 'none yet' : showTime(view, status.lastChangeAt)],
    ['store', `${showBytes(status.storeBytes)} in ${status.directory}`],
    ['host', hostLine(host)],
    ['replica', status.replicaId],
  ];
  const lines = renderFields(view, fields);
  if (status.clockRegressionMs > 0) {
    lines.push(
      view.paint(
        'yellow',
        `The clock is ${showDuration(status.clockRegressionMs)} behind the newest entry; check the system time.`,
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}
