/** `sm brain supersede`: marks an entry as replaced by another. */
import type { CommandModule } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { doneLine } from '../../print/recorded.ts';
import { createView } from '../../print/view.ts';
import { withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  notes:
    'The old entry is no longer recalled, unless with --all. To write the replacement at the same time use record --supersedes.',
  examples: [
    'sm brain supersede 01980c2e-7f3a 0198f1a0-22bc',
    'sm brain record --title "Use one owner" --supersedes 01980c2e-7f3a',
  ],
  async run(context, [oldId = '', newId = ''], options) {
    return withBrain(context, options, async (brain, location) => {
      const answer = await brain.run('supersede', {
        requestId: context.newId(),
        workspaceId: location.workspaceId,
        oldId,
        newId,
      });
      if (options.isSet('json')) {
        await writeJson(context, answer);
      } else {
        const view = await createView(context, options, JSON.stringify(answer));
        await context.stdout.write(doneLine(view, 'superseded', answer.old) + doneLine(view, '        by', answer.new));
      }
      return 0;
    });
  },
};
