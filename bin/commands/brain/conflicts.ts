/** `sm brain conflicts`: versions that lost to one whose writer had not seen them, beside the version that holds. */
import type { CommandModule } from '../../command.ts';
import { HASH_CHARACTERS, renderConflicts } from '../../print/conflict.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { limitOf, limitOption } from '../../values.ts';

const LIMIT_DEFAULT = 20;

export const command: CommandModule = {
  options: [
    { flags: '--org', summary: 'All projects of the workspace, not only this one' },
    limitOption(LIMIT_DEFAULT),
  ],
  notes:
    'Two machines that change one entry without having heard of each other make two versions. The newer one holds on\n' +
    'every machine; the other is shown here, on every machine, until somebody resolves it. Nothing is lost, and nothing\n' +
    'has to be done for the brain to go on working. Only the fields that differ are shown.',
  examples: ['sm brain conflicts', 'sm brain conflicts 01980c2e-7f3a', 'sm brain conflicts --org --json'],
  async run(context, [id], options) {
    const limit = limitOf(options, LIMIT_DEFAULT);
    return withBrain(context, options, async (brain, location) => {
      const conflicts = await brain.run('conflicts', {
        scope: readScopeOf(location, options),
        ...(id === undefined ? {} : { idOrPrefix: id }),
        limit,
      });
      if (options.isSet('json')) {
        await writeJson(context, conflicts);
        return 0;
      }
      const [first] = conflicts;
      if (first === undefined) {
        await context.stdout.write('No conflicts.\n');
        if (id === undefined && !options.isSet('org')) await context.stderr.write('Try --org for all projects.\n');
        return 0;
      }
      const view = await createView(context, options, JSON.stringify(conflicts));
      await context.stdout.write(renderConflicts(view, conflicts));
      const resolving = `sm brain resolve ${first.current.entry.entryId}`;
      const lost = first.losers[0]?.hash.slice(0, HASH_CHARACTERS) ?? '<hash>';
      await context.stderr.write(
        `\nSettle it with one of\n  ${resolving} --keep                # the current version\n` +
          `  ${resolving} --take ${lost}   # the one that lost\n` +
          `  ${resolving} --conclusion "…"      # a merged one, by the flags of edit\n`,
      );
      return 0;
    });
  },
};
