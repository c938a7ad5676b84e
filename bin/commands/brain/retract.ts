/** `sm brain retract`: withdraws an entry. It is no longer recalled, and stays in the history. */
import type { CommandModule } from '../../command.ts';
import { writeJson } from '../../print/json.ts';
import { doneLine } from '../../print/recorded.ts';
import { createView } from '../../print/view.ts';
import { withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  notes: 'Nothing is deleted: sm brain show, history and recall --all still find it.',
  examples: ['sm brain retract 01980c2e-7f3a', 'sm brain retract 01980c2e-7f3a --json'],
  async run(context, [id = ''], options) {
    return withBrain(context, options, async (brain, location) => {
      const entry = await brain.run('retract', {
        requestId: context.newId(),
        reference: { workspaceId: location.workspaceId, idOrPrefix: id },
      });
      if (options.isSet('json')) {
        await writeJson(context, entry);
      } else {
        const view = await createView(context, options, entry.title);
        await context.stdout.write(doneLine(view, 'retracted', entry));
      }
      return 0;
    });
  },
};
