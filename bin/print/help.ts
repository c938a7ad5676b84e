/** Help pages: the overview, a group, a command. Everything shown comes from the table and the commands' own modules. */
import { commandPath, namedGroups, topLevel, visibleCommands } from '../catalogue.ts';
import { GLOBAL_OPTIONS, type CommandEntry, type CommandGroup, type CommandModule, type Context } from '../command.ts';

export async function writeOverview(context: Context): Promise<number> {
  const named = namedGroups(context.catalogue).map(
    (group) => `${group.summary} (sm ${group.name} …)\n${commandLines(group, `${group.name} `)}`,
  );
  await context.stdout.write(
    [
      `sm ${context.version}: one memory for all your coding agents\n\nUsage\n  sm <command> [options]`,
      ...named,
      `Also\n${commandLines(topLevel(context.catalogue), '')}`,
      `Options of every command\n${optionLines(GLOBAL_OPTIONS)}`,
      'Start with\n' +
        '  sm brain record --title "Retries hide the race" --kind insight --conclusion "Lock the row first"\n' +
        '  sm brain recall "flaky retry"\n' +
        '  sm brain record --help',
    ].join('\n\n') + '\n',
  );
  return 0;
}

export async function writeGroupHelp(context: Context, group: CommandGroup): Promise<number> {
  await context.stdout.write(
    [
      `sm ${group.name}: ${group.summary}\n\nUsage\n  sm ${group.name} <command> [options]`,
      `Commands\n${commandLines(group, '')}`,
      `Options of every command\n${optionLines(GLOBAL_OPTIONS)}`,
      `sm ${group.name} <command> --help explains one command.`,
    ].join('\n\n') + '\n',
  );
  return 0;
}

export async function writeCommandHelp(
  context: Context,
  group: CommandGroup,
  entry: CommandEntry,
  command: CommandModule,
): Promise<number> {
  const path = commandPath(group, entry);
  const sections = [`${path}: ${entry.summary}`, `Usage\n  ${`${path} ${entry.args}`.trim()} [options]`];
  if (command.notes !== undefined) sections.push(command.notes);
  if (command.options.length > 0) sections.push(`Options\n${optionLines(command.options)}`);
  sections.push(`Options of every command\n${optionLines(GLOBAL_OPTIONS)}`);
  sections.push(`Examples\n${command.examples.map((example) => `  ${example}`).join('\n')}`);
  await context.stdout.write(`${sections.join('\n\n')}\n`);
  return 0;
}

function commandLines(group: CommandGroup, prefix: string): string {
  return columns(
    visibleCommands(group).map((command) => [`${prefix}${command.name} ${command.args}`.trim(), command.summary]),
  );
}

function optionLines(options: CommandModule['options']): string {
  return columns(options.map((option) => [option.flags, option.summary]));
}

function columns(rows: (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
