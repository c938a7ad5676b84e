/** `sm brain log`: what was written lately, change by change. */
import type { CommandModule } from '../../command.ts';
import { writeNothing } from '../../nothing.ts';
import { renderLog } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { limitOf, limitOption, SINCE_OPTION, sinceOf } from '../../values.ts';

const LIMIT_DEFAULT = 20;

export const command: CommandModule = {
  options: [
    { flags: '--org', summary: 'All projects of the workspace, not only this one' },
    SINCE_OPTION,
    limitOption(LIMIT_DEFAULT),
  ],
  notes: 'Piped, each line holds number, time of arrival, outcome, status, origin, id and title, separated by tabs.',
  examples: ['sm brain log', 'sm brain log --since 12h --org', 'sm brain log --limit 500 --json'],
  async run(context, _args, options) {
    const sinceMs = sinceOf(options, context.now());
    const limit = limitOf(options, LIMIT_DEFAULT);
    return withBrain(context, options, async (brain, location) => {
      const changes = await brain.run('log', {
        scope: readScopeOf(location, options),
        ...(sinceMs === undefined ? {} : { sinceMs }),
        limit,
      });
      if (options.isSet('json')) {
        await writeJson(context, changes);
      } else if (changes.length === 0) {
        await context.stderr.write('No changes.\n');
        await writeNothing(context, brain, location, options, ['org']);
      } else {
        const view = await createView(context, options, JSON.stringify(changes));
        await context.stdout.write(renderLog(view, changes));
      }
      return 0;
    });
  },
};
