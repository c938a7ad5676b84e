/** `sm brain context`: what a prompt should know, within a budget. Prints nothing where the brain has nothing to say. */
import { CONTEXT_TOKENS_MAX, CONTEXT_TOKENS_MIN } from '../../../lib/core/limits.ts';
import { CONTEXT_FORMATS, type ContextFormat } from '../../../lib/core/vocabulary.ts';
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule, Options } from '../../command.ts';
import { escapeText } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { withBrain } from '../../session.ts';

const BUDGET_DEFAULT = 2_000;

export const command: CommandModule = {
  options: [
    {
      flags: '--budget <tokens>',
      summary: `How many tokens at most (default ${BUDGET_DEFAULT}, ${CONTEXT_TOKENS_MIN} to ${CONTEXT_TOKENS_MAX})`,
    },
    { flags: '--format <format>', summary: `One of ${CONTEXT_FORMATS.join(', ')}`, values: CONTEXT_FORMATS },
    { flags: '--org', summary: 'After this project, the others of the workspace' },
  ],
  notes:
    'For a prompt: what is relevant to the query or, without one, what was decided, what was tried and failed,\n' +
    'and what is new. A line of each comes first, then as much in full as there is room for, then ids for "sm brain show".\n' +
    'It is framed as data, and an entry cannot leave the frame. Tokens are those of o200k_base; other models count others.\n' +
    'With --json the text comes with its tokens and the entries in it.',
  examples: [
    'sm brain context',
    'sm brain context flaky retry in checkout --budget 800',
    'sm brain context --org --format xml >> prompt.txt',
  ],
  async run(context, args, options) {
    const query = args.join(' ').trim();
    const budget = budgetOf(options);
    const format = formatOf(options);
    return withBrain(context, options, async (brain, { workspaceId, projectId }) => {
      const pack = await brain.run('context', {
        scope: { workspaceId, projectId },
        includesOrg: options.isSet('org'),
        ...(query === '' ? {} : { query }),
        budget,
        format,
      });
      if (options.isSet('json')) await writeJson(context, pack);
      else if (pack.text !== '') await context.stdout.write(escapeText(pack.text));
      else {
        const wider = options.isSet('org') ? '' : ' --org looks into the other projects.';
        const nothing = query === '' ? 'Nothing is recorded here yet.' : 'Nothing recorded is relevant to that.';
        await context.stderr.write(`${nothing}${wider}\n`);
      }
      return 0;
    });
  },
};

function budgetOf(options: Options): number {
  const text = options.text('budget');
  if (text === undefined) return BUDGET_DEFAULT;
  const budget = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (budget >= CONTEXT_TOKENS_MIN && budget <= CONTEXT_TOKENS_MAX) return budget;
  throw usageError(
    `--budget must be a whole number of tokens from ${CONTEXT_TOKENS_MIN} to ${CONTEXT_TOKENS_MAX}, but is ${quoteShort(text)}.`,
    `For example: --budget ${BUDGET_DEFAULT}`,
  );
}

function formatOf(options: Options): ContextFormat {
  const text = options.text('format');
  if (text === undefined) return 'markdown';
  const format = CONTEXT_FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  throw usageError(
    `--format must be one of ${CONTEXT_FORMATS.join(', ')}, but is ${quoteShort(text)}.`,
    'For example: --format xml',
  );
}
