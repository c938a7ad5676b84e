/** `sm brain list`: the newest entries, one line each. */
import type { CommandModule } from '../../command.ts';
import { writeNothing } from '../../nothing.ts';
import { renderTable } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { FILTER_OPTIONS, filterOf, limitOf, limitOption, NARROWING_OPTIONS } from '../../values.ts';

const LIMIT_DEFAULT = 20;

export const command: CommandModule = {
  options: [...FILTER_OPTIONS, ...NARROWING_OPTIONS, limitOption(LIMIT_DEFAULT)],
  notes: 'Piped, each line holds id, kind, status, agent, time and title, separated by tabs.',
  examples: [
    'sm brain list',
    'sm brain list --org --kind decision --limit 50',
    'sm brain list --tag store --since 7d --json',
  ],
  async run(context, _args, options) {
    const filter = filterOf(context, options);
    const limit = limitOf(options, LIMIT_DEFAULT);
    return withBrain(context, options, async (brain, location) => {
      const entries = await brain.run('list', { scope: readScopeOf(location, options), ...filter, limit });
      if (options.isSet('json')) {
        await writeJson(context, entries);
      } else if (entries.length === 0) {
        await context.stderr.write('No entries.\n');
        await writeNothing(context, brain, location, options, ['org', 'all']);
      } else {
        const view = await createView(context, options, JSON.stringify(entries));
        await context.stdout.write(renderTable(view, entries));
      }
      return 0;
    });
  },
};
