/** `sm brain why`: what is known about a place in the code, by the commits that made it. */
import type { WhyHit } from '../../../lib/brain/recall-contract.ts';
import type { LineRange } from '../../../lib/scope/git-place.ts';
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule } from '../../command.ts';
import { renderWhy } from '../../print/entries.ts';
import { escapeLine } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { createView } from '../../print/view.ts';
import { readScopeOf, withBrain } from '../../session.ts';
import { limitOf, limitOption } from '../../values.ts';

const LIMIT_DEFAULT = 10;

export const command: CommandModule = {
  options: [
    { flags: '--org', summary: 'All projects of the workspace, not only this one' },
    limitOption(LIMIT_DEFAULT),
  ],
  notes:
    'Finds entries whose refs name a commit that made the lines (git blame), one that touched the file under this name or\n' +
    'an earlier one (git log --follow), the file itself, or an issue that these commits name. Record refs to be found so:\n' +
    '--ref commit:1a2b3c4, --ref src/retry.ts, --ref STA-412.',
  examples: ['sm brain why src/retry.ts', 'sm brain why src/retry.ts:42', 'sm brain why src/retry.ts:40-60 --json'],
  async run(context, args, options) {
    const [place, ...others] = args;
    if (place === undefined || others.length > 0) {
      throw usageError(
        'sm brain why takes one file, perhaps with a line.',
        'For example: sm brain why src/retry.ts:42',
      );
    }
    const limit = limitOf(options, LIMIT_DEFAULT);
    const { file, lines } = await parsePlace(place, (path) => context.fileExists(path));
    const code = await context.placeInCode(file, lines);
    return withBrain(context, options, async (brain, location) => {
      const { commits, paths, keys } = code;
      const scope = readScopeOf(location, options);
      const hits: WhyHit[] = await brain.run('why', { scope, commits, paths, keys, limit });
      for (const warning of code.warnings) await context.stderr.write(`${escapeLine(warning)}\n`);
      if (options.isSet('json')) await writeJson(context, hits);
      else if (hits.length > 0) {
        const view = await createView(context, options, JSON.stringify(hits));
        await context.stdout.write(renderWhy(view, hits));
      } else {
        const commitCount = commits.length === 1 ? 'its commit' : `its ${commits.length} commits`;
        await context.stdout.write(`No entry names ${escapeLine(place)} or ${commitCount}.\n`);
        if (!options.isSet('org')) await context.stderr.write('Try --org for all projects.\n');
      }
      return 0;
    });
  },
};

/** `file`, `file:12`, `file:12-20`. A file whose name ends so is meant itself. */
async function parsePlace(
  text: string,
  exists: (path: string) => Promise<boolean>,
): Promise<{ file: string; lines: LineRange | undefined }> {
  const match = /^(.+?):(\d{1,9})(?:-(\d{1,9}))?$/.exec(text);
  if (match === null || (await exists(text))) return { file: text, lines: undefined };
  const first = Number(match[2]);
  const last = match[3] === undefined ? first : Number(match[3]);
  if (first >= 1 && last >= first) return { file: match[1] ?? text, lines: { first, last } };
  throw usageError(
    `${quoteShort(text)} has no such lines: they are counted from 1, the first one first.`,
    'For example: src/retry.ts:40-60',
  );
}
