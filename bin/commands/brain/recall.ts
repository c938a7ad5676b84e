/** `sm brain recall`: finds entries, best first. Finding nothing is an answer, not a failure. */
import type { CommandModule } from '../../command.ts';
import { renderBlocks } from '../../print/entries.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { FILTER_OPTIONS, filterOf, limitOf, limitOption, SINCE_OPTION } from '../../values.ts';

const LIMIT_DEFAULT = 10;

export const command: CommandModule = {
  options: [...FILTER_OPTIONS, SINCE_OPTION, limitOption(LIMIT_DEFAULT)],
  notes:
    'Words need no quotes. Without a query the newest entries are shown. Only this project is searched, unless --org.',
  examples: [
    'sm brain recall flaky retry in checkout',
    'sm brain recall "why not redis" --org --kind decision',
    'sm brain recall migration --since 30d --limit 3 --json',
  ],
  async run(context, args, options) {
    const query = args.join(' ').trim();
    const filter = filterOf(context, options);
    const limit = limitOf(options, LIMIT_DEFAULT);
    return withBrain(context, options, async (brain, location) => {
      const hits = await brain.run('recall', {
        scope: readScopeOf(location, options),
        ...(query === '' ? {} : { query }),
        ...filter,
        limit,
      });
      if (options.isSet('json')) {
        await writeJson(context, hits);
        return 0;
      }
      if (hits.length === 0) {
        const wider = ['org', 'all'].filter((flag) => !options.isSet(flag)).map((flag) => WIDER[flag] ?? '');
        await context.stdout.write(
          query === '' ? 'Nothing recorded yet.\n' : `Nothing found for ${escapeLine(JSON.stringify(query))}.\n`,
        );
        if (wider.length > 0) await context.stderr.write(`Try ${wider.join(', or ')}.\n`);
        return 0;
      }
      const view = await createView(context, options, JSON.stringify(hits));
      await context.stdout.write(renderBlocks(view, hits));
      return 0;
    });
  },
};

const WIDER: Readonly<Record<string, string>> = {
  org: '--org for all projects',
  all: '--all for superseded and retracted entries too',
};
