/** `sm brain edit`: writes a new version of an entry with the given fields changed; the old one stays in its history. */
import { usageError } from '../../arguments.ts';
import type { CommandModule } from '../../command.ts';
import { writeEntry } from '../../print/entry.ts';
import { withBrain } from '../../session.ts';
import { ALLOW_SECRET_OPTION, allowanceOf, CONTENT_OPTIONS, contentOf } from '../../values.ts';

export const command: CommandModule = {
  options: [...CONTENT_OPTIONS, ALLOW_SECRET_OPTION],
  notes: 'Fields that are not named stay as they are. An empty value clears: --tags "" takes all tags away.',
  examples: [
    'sm brain edit 01980c2e-7f3a --confidence 0.95',
    'sm brain edit 01980c2e-7f3a --title "Retries hide the race" --tags store,locking',
    'sm brain edit 01980c2e-7f3a --conclusion - < conclusion.md',
  ],
  async run(context, [id = ''], options) {
    const edit = await contentOf(context, options);
    if (Object.keys(edit).length === 0) {
      throw usageError('The edit changes nothing.', 'Name at least one field, for example --conclusion "…".');
    }
    return withBrain(context, options, async (brain, location) => {
      const entry = await brain.run('edit', {
        requestId: context.newId(),
        reference: { workspaceId: location.workspaceId, idOrPrefix: id },
        edit,
        ...allowanceOf(options),
      });
      await writeEntry(context, options, entry);
      return 0;
    });
  },
};
