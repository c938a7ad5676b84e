/** `sm help [group] [command]`: the help pages; with --json the whole table, for agents. */
import { usageError, quoteShort } from '../arguments.ts';
import { commandPath, namedGroups, topLevel, visibleCommands } from '../catalogue.ts';
import { GLOBAL_OPTIONS, type CommandGroup, type CommandModule, type Context, type OptionSpec } from '../command.ts';
import { writeCommandHelp, writeGroupHelp, writeOverview } from '../print/help.ts';
import { writeJson } from '../print/json.ts';
import { didYouMean } from '../suggest.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm help', 'sm help brain', 'sm help brain record', 'sm help --json'],
  async run(context, words, options) {
    if (options.isSet('json')) {
      await writeJson(context, await describeAll(context));
      return 0;
    }
    const [first, ...rest] = words;
    if (first === undefined) return writeOverview(context);
    const group = namedGroups(context.catalogue).find((candidate) => candidate.name === first);
    if (group === undefined) return explain(context, topLevel(context.catalogue), first);
    return rest[0] === undefined ? writeGroupHelp(context, group) : explain(context, group, rest[0]);
  },
};

async function explain(context: Context, group: CommandGroup, name: string): Promise<number> {
  const entry = visibleCommands(group).find((candidate) => candidate.name === name);
  if (entry !== undefined) {
    const { command: found } = await entry.load();
    return writeCommandHelp(context, group, entry, found);
  }
  const known = visibleCommands(group).map((candidate) => candidate.name);
  const groups = group.name === '' ? namedGroups(context.catalogue).map((each) => each.name) : [];
  throw usageError(
    `There is no help for ${quoteShort(name)}.`,
    `${didYouMean(name, [...known, ...groups])}Run "sm help" for all commands.`,
  );
}

async function describeAll(context: Context): Promise<unknown> {
  const commands = [];
  for (const group of context.catalogue) {
    for (const entry of visibleCommands(group)) {
      const { command: found } = await entry.load();
      commands.push({
        command: commandPath(group, entry),
        args: entry.args,
        summary: entry.summary,
        options: found.options.map(describeOption),
        examples: found.examples,
      });
    }
  }
  return { version: context.version, commands, globalOptions: GLOBAL_OPTIONS.map(describeOption) };
}

function describeOption(option: OptionSpec): unknown {
  const { flags, summary, values, isRepeatable } = option;
  return { flags, summary, ...(values ? { values } : {}), ...(isRepeatable ? { isRepeatable } : {}) };
}
