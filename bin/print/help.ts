/**
 * Help pages: the overview, a group, a command. Everything shown comes from the table and the commands' own modules.
 * On a terminal text is wrapped to it; examples stay as they are, to be copied.
 */
import { commandPath, namedGroups, topLevel, visibleCommands } from '../catalogue.ts';
import { GLOBAL_OPTIONS, type CommandEntry, type CommandGroup, type CommandModule, type Context } from '../command.ts';
import { wrap } from './layout.ts';

/** A terminal that is narrower gets pages of this width, in columns. */
const WIDTH_MIN = 48;
/** Summaries with less room than this beside the names stand below them, in columns. */
const SUMMARY_WIDTH_MIN = 24;
/** Our own words are ASCII, or nearly. */
const BY_LENGTH = { measure: (text: string) => text.length };

export async function writeOverview(context: Context): Promise<number> {
  const width = widthOf(context);
  const named = namedGroups(context.catalogue).map(
    (group) =>
      `${wrapped(`${group.summary} (sm ${group.name} …)`, width)}\n${commandLines(group, `${group.name} `, width)}`,
  );
  await context.stdout.write(
    [
      `${wrapped(`sm ${context.version}: one memory for all your coding agents`, width)}\n\nUsage\n  sm <command> [options]`,
      ...named,
      `Also\n${commandLines(topLevel(context.catalogue), '', width)}`,
      `Options of every command\n${optionLines(GLOBAL_OPTIONS, width)}`,
      'Start with\n' +
        '  sm brain record --title "Retries hide the race" --kind insight --conclusion "Lock the row first"\n' +
        '  sm brain recall "flaky retry"\n' +
        '  sm brain record --help',
    ].join('\n\n') + '\n',
  );
  return 0;
}

export async function writeGroupHelp(context: Context, group: CommandGroup): Promise<number> {
  const width = widthOf(context);
  await context.stdout.write(
    [
      `${wrapped(`sm ${group.name}: ${group.summary}`, width)}\n\nUsage\n  sm ${group.name} <command> [options]`,
      `Commands\n${commandLines(group, '', width)}`,
      `Options of every command\n${optionLines(GLOBAL_OPTIONS, width)}`,
      wrapped(`sm ${group.name} <command> --help explains one command.`, width),
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
  const width = widthOf(context);
  const sections = [
    wrapped(`${path}: ${entry.summary}`, width),
    `Usage\n  ${`${path} ${entry.args}`.trim()} [options]`,
  ];
  if (command.notes !== undefined) sections.push(paragraphs(command.notes, width));
  if (command.options.length > 0) sections.push(`Options\n${optionLines(command.options, width)}`);
  sections.push(`Options of every command\n${optionLines(GLOBAL_OPTIONS, width)}`);
  sections.push(`Examples\n${command.examples.map((example) => `  ${example}`).join('\n')}`);
  await context.stdout.write(`${sections.join('\n\n')}\n`);
  return 0;
}

function widthOf({ stdout }: Context): number {
  return stdout.isTerminal ? Math.max(WIDTH_MIN, stdout.columns > 0 ? stdout.columns : 80) : Infinity;
}

function wrapped(text: string, width: number): string {
  return wrap(BY_LENGTH, text, width).join('\n');
}

function commandLines(group: CommandGroup, prefix: string, width: number): string {
  const rows = visibleCommands(group).map((command): Row => [
    `${prefix}${command.name} ${command.args}`.trim(),
    command.summary,
  ]);
  return columns(rows, width);
}

function optionLines(options: CommandModule['options'], width: number): string {
  return columns(
    options.map((option): Row => [option.flags, option.summary]),
    width,
  );
}

type Row = readonly [name: string, summary: string];

function columns(rows: readonly Row[], width: number): string {
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const isBeside = width - nameWidth - 4 >= SUMMARY_WIDTH_MIN;
  const indent = isBeside ? nameWidth + 4 : 6;
  return rows
    .flatMap(([name, summary]) => {
      const lines = wrap(BY_LENGTH, summary, width - indent);
      const [first = '', ...rest] = isBeside ? lines : ['', ...lines];
      return [`  ${name.padEnd(nameWidth)}  ${first}`.trimEnd(), ...rest.map((line) => `${' '.repeat(indent)}${line}`)];
    })
    .join('\n');
}

/** Written in lines of our own: a paragraph that is too wide for the terminal is set anew. */
function paragraphs(notes: string, width: number): string {
  return notes
    .split('\n\n')
    .map((paragraph) => {
      const isTooWide = paragraph.split('\n').some((line) => line.length > width);
      return isTooWide ? wrapped(paragraph.replaceAll('\n', ' '), width) : paragraph;
    })
    .join('\n\n');
}
