/** `sm brain history`: every version of an entry, newest first, with what is current and why. */
import type { HistoryVersion } from '../../../lib/brain/log-contract.ts';
import type { CommandModule } from '../../command.ts';
import { renderFields } from '../../print/entries.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { truncate } from '../../print/layout.ts';
import { showTime } from '../../print/time.ts';
import { createView, type View } from '../../print/view.ts';
import { withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  notes: 'The version with the later time wins; at equal times, the one with the greater hash.',
  examples: ['sm brain history 01980c2e-7f3a', 'sm brain history 01980c2e-7f3a --json'],
  async run(context, [id = ''], options) {
    return withBrain(context, options, async (brain, location) => {
      const versions = await brain.run('history', { workspaceId: location.workspaceId, idOrPrefix: id });
      if (options.isSet('json')) {
        await writeJson(context, versions);
      } else {
        const view = await createView(context, options, JSON.stringify(versions));
        await context.stdout.write(versions.map((version) => renderVersion(view, version)).join('\n'));
      }
      return 0;
    });
  },
};

function renderVersion(view: View, version: HistoryVersion): string {
  const { entry } = version;
  const mark = version.isCurrent ? view.paint('green', 'current') : view.paint('dim', 'earlier');
  const fields: (readonly [string, string])[] = [
    ['title', entry.title],
    ['status', entry.supersededBy === undefined ? entry.status : `${entry.status} by ${entry.supersededBy}`],
    ['why', version.reason],
    ['hash', version.hash],
    ['came from', version.origin],
    ['arrived', showTime(view, version.receivedAt)],
  ];
  const about = escapeLine(`${showTime(view, entry.updatedAt)} by ${entry.agent}`);
  const head = `${mark}  ${truncate(view, about, view.width - 'current  '.length)}`;
  const inner = { ...view, width: view.width - 2 };
  return `${[head, ...renderFields(inner, fields).map((line) => `  ${line}`)].join('\n')}\n`;
}
