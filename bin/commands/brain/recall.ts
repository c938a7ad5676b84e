/** `sm brain recall`: finds entries, best first. That nothing is relevant is an answer, not a failure. */
import { nearMisses } from '../../../lib/brain/near-misses.ts';
import type { CommandModule } from '../../command.ts';
import { writeNothing } from '../../nothing.ts';
import { renderHits } from '../../print/entries.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { asOfTime, FILTER_OPTIONS, filterOf, limitOf, limitOption, NARROWING_OPTIONS } from '../../values.ts';

const LIMIT_DEFAULT = 10;

export const command: CommandModule = {
  options: [
    ...FILTER_OPTIONS,
    ...NARROWING_OPTIONS,
    { flags: '--as-of <time>', summary: 'Answer as the brain was then: a time as for --since, or a git commit' },
    { flags: '--loose', summary: 'Also what is probably not relevant: the nearest misses' },
    { flags: '--explain', summary: 'Say why each entry was found' },
    limitOption(LIMIT_DEFAULT),
  ],
  notes:
    'Words need no quotes; an entry need not have all of them. "a phrase" is looked for as it stands, -word leaves out,\n' +
    'tag:x asks for a tag. Without a query the newest entries are shown. Only this project is searched, unless --org.\n' +
    'Where nothing is relevant it says so, and names the nearest misses on stderr. In place of a superseded entry comes\n' +
    'its successor.',
  examples: [
    'sm brain recall flaky retry in checkout',
    'sm brain recall "why not redis" --org --kind decision',
    'sm brain recall \'"connection pool" timeout -staging tag:db\' --explain',
    'sm brain recall migration --as-of v1.2.0 --limit 3 --json',
  ],
  async run(context, args, options) {
    const query = args.join(' ').trim();
    const filter = filterOf(context, options);
    const limit = limitOf(options, LIMIT_DEFAULT);
    const asOf = options.text('as-of');
    return withBrain(context, options, async (brain, location) => {
      const request = {
        scope: readScopeOf(location, options),
        ...(query === '' ? {} : { query }),
        ...filter,
        ...(asOf === undefined ? {} : { asOfMs: await asOfTime(context, asOf) }),
        limit,
        isLoose: options.isSet('loose'),
      };
      const hits = await brain.run('recall', request);
      if (options.isSet('json')) {
        await writeJson(context, hits);
        return 0;
      }
      if (hits.length > 0) {
        const view = await createView(context, options, JSON.stringify(hits));
        await context.stdout.write(renderHits(view, hits, options.isSet('explain')));
        return 0;
      }
      const sentence = query === '' ? 'No entries.' : `Nothing relevant to ${escapeLine(JSON.stringify(query))}.`;
      await context.stdout.write(`${sentence}\n`);
      const misses = await nearMisses(brain, request);
      await writeNothing(context, brain, location, options, ['org', 'all'], misses);
      return 0;
    });
  },
};
