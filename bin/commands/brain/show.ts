/** `sm brain show`: one entry in full. */
import type { CommandModule } from '../../command.ts';
import { writeEntry } from '../../print/entry.ts';
import { withBrain } from '../../session.ts';

export const command: CommandModule = {
  options: [],
  notes: 'An id may be shortened to any prefix of four or more characters that only one entry has.',
  examples: ['sm brain show 01980c2e-7f3a', 'sm brain show 01980c2e-7f3a-7b20-9c55-3f1e2d4c5b6a --json'],
  async run(context, [id = ''], options) {
    return withBrain(context, options, async (brain, location) => {
      await writeEntry(
        context,
        options,
        await brain.run('show', { workspaceId: location.workspaceId, idOrPrefix: id }),
      );
      return 0;
    });
  },
};
