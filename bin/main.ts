/**
 * From argv to an exit code: chooses the command, loads only its module, runs it, and turns every failure into one
 * message on stderr and the exit code of lib/core/errors.ts. Nothing is thrown out of here.
 */
import { inspect } from 'node:util';
import { type SmError, toSmError } from '../lib/core/errors.ts';
import { flagOf, parseCall, quoteShort, usageError } from './arguments.ts';
import { GLOBAL_OPTIONS, type CommandGroup, type Context } from './command.ts';
import { commandPath, namedGroups, topLevel, visibleCommands } from './catalogue.ts';
import { OutputClosed } from './output.ts';
import { nearestWord, synonymOf } from './suggest.ts';

export async function main(argv: readonly string[], context: Context): Promise<number> {
  try {
    return await dispatch(argv, context);
  } catch (error) {
    if (error instanceof OutputClosed) return 0;
    return reportFailure(error, argv, context);
  }
}

const GLOBAL_SPELLINGS = GLOBAL_OPTIONS.flatMap((spec) => flagOf(spec).spellings);
const VERSION_FLAGS: readonly string[] = ['--version', '-v'];

async function dispatch(argv: readonly string[], context: Context): Promise<number> {
  if (argv.some((argument) => argument.includes('\uFFFD'))) {
    const { requireUtf8 } = await import('./argument-bytes.ts');
    requireUtf8(argv, context.commandLine());
  }
  const first = takeWord(argv);
  if (first.word === undefined) {
    if (first.rest.some(isVersionFlag)) {
      return runCommand(topLevel(context.catalogue), 'version', withoutVersion(first.rest), context);
    }
    return runCommand(topLevel(context.catalogue), 'help', withoutHelp(first.rest), context);
  }
  const group = namedGroups(context.catalogue).find((candidate) => candidate.name === first.word);
  if (group === undefined) return runCommand(topLevel(context.catalogue), first.word, first.rest, context);
  const second = takeWord(first.rest);
  if (second.word === undefined && second.rest.some(isVersionFlag)) {
    return runCommand(topLevel(context.catalogue), 'version', withoutVersion(second.rest), context);
  }
  if (second.word === undefined || second.word === 'help') {
    return runCommand(topLevel(context.catalogue), 'help', [group.name, ...withoutHelp(second.rest)], context);
  }
  return runCommand(group, second.word, second.rest, context);
}

async function runCommand(
  group: CommandGroup,
  name: string,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const entry = group.commands.find((command) => command.name === name);
  if (entry === undefined) throw unknownCommand(group, name, context.catalogue);
  const { command } = await entry.load();
  if (asksForHelp(words)) {
    const { writeCommandHelp } = await import('./print/help.ts');
    return writeCommandHelp(context, group, entry, command);
  }
  const { args, options } = parseCall(group, entry, words, command.options, commandPath(group, entry));
  return command.run(context, args, options);
}

/** The first word that is no global switch, and all the others in their order. */
function takeWord(words: readonly string[]): { word: string | undefined; rest: string[] } {
  const index = words.findIndex((word) => !GLOBAL_SPELLINGS.includes(word) && !isVersionFlag(word));
  const word = words[index];
  return index === -1 ? { word: undefined, rest: [...words] } : { word, rest: words.toSpliced(index, 1) };
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  const flags = end === -1 ? words : words.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}

function isVersionFlag(word: string): boolean {
  return VERSION_FLAGS.includes(word);
}

function withoutVersion(words: readonly string[]): string[] {
  return words.filter((word) => !isVersionFlag(word));
}

function withoutHelp(words: readonly string[]): string[] {
  return words.filter((word) => word !== '--help' && word !== '-h');
}

function unknownCommand(group: CommandGroup, name: string, catalogue: readonly CommandGroup[]): SmError {
  const place = group.name === '' ? 'sm' : `sm ${group.name}`;
  const isFlag = name.startsWith('-');
  const guess = isFlag
    ? nearestWord(name, [...GLOBAL_SPELLINGS, ...VERSION_FLAGS])
    : nearestCommand(group, name, catalogue);
  return usageError(
    `${place} has no ${isFlag ? 'option' : 'command'} ${quoteShort(name)}.`,
    `${guess === undefined ? '' : `Did you mean ${guess}? `}Run "${place} help" for all commands.`,
  );
}

/** `sm recall …` is the commonest slip: the group was forgotten. */
function nearestCommand(group: CommandGroup, name: string, catalogue: readonly CommandGroup[]): string | undefined {
  const namesOf = (each: CommandGroup) => visibleCommands(each).map((command) => command.name);
  const known = namesOf(group);
  if (group.name !== '') return synonymOf(name, known) ?? nearestWord(name, known);
  const groups = namedGroups(catalogue);
  const inGroup = (word: string | undefined) => {
    const owner = groups.find((each) => word !== undefined && namesOf(each).includes(word));
    return owner === undefined ? undefined : `sm ${owner.name} ${word}`;
  };
  const grouped = groups.flatMap(namesOf);
  return (
    inGroup(name) ??
    nearestWord(name, [...known, ...groups.map((each) => each.name)]) ??
    synonymOf(name, known) ??
    inGroup(synonymOf(name, grouped) ?? nearestWord(name, grouped))
  );
}

async function reportFailure(thrown: unknown, argv: readonly string[], context: Context): Promise<number> {
  const error = toSmError(thrown);
  if (wantsJson(argv)) {
    await context.stderr.write(`${JSON.stringify(error.toJSON())}\n`);
  } else {
    const { renderFailure } = await import('./print/failure.ts');
    await context.stderr.write(renderFailure(error));
  }
  if (context.env['SM_DEBUG'] === '1') await context.stderr.write(`${debugText(thrown)}\n`);
  return error.exitCode;
}

/** Whether errors are to be JSON; read from the bare words, for the error may be in the flags themselves. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json');
}

/** Causes of causes that a debug print follows. */
const CAUSES_MAX = 8;

function debugText(thrown: unknown): string {
  const lines: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; depth < CAUSES_MAX && current !== undefined; depth += 1) {
    lines.push(current instanceof Error ? (current.stack ?? current.message) : inspect(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return lines.join('\ncaused by: ');
}
