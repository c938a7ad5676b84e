/**
 * From argv to a command's arguments and flags. cac matches commands and counts arguments, but it turns `007` into 7,
 * swallows empty values and guesses where a value ends; so the text itself never passes through it: each value is
 * replaced by a token before, and put back after.
 * Invariant: what a command receives is, character for character, what was typed.
 */
import { cac } from 'cac';
import { SmError } from '../lib/core/errors.ts';
import { GLOBAL_OPTIONS, type CommandEntry, type CommandGroup, type OptionSpec, type Options } from './command.ts';
import { didYouMean } from './suggest.ts';

/** `-x`, `--name` or `--name=…`. Text such as `-5 degrees`, `-` or `-- a` is not a flag, so it may be a bare value. */
const FLAG_SHAPE = /^(--?\p{L}[^\s=]*)(?:=|$)/u;

/** A flag as it was declared, ready to be looked up by any of its spellings. */
interface Flag {
  /** Without dashes, the longest spelling: the key in `Options`. */
  name: string;
  spellings: string[];
  takesValue: boolean;
  spec: OptionSpec;
}

export interface ParsedCall {
  args: string[];
  options: Options;
}

/** Whether `argument` would be read as a flag rather than as text. */
export function isFlagShaped(argument: string): boolean {
  return FLAG_SHAPE.test(argument);
}

export function flagOf(spec: OptionSpec): Flag {
  const spellings = spec.flags.replace(/ *<.*/, '').split(', ');
  return {
    name: (spellings.at(-1) ?? '').replace(/^-+/, ''),
    spellings,
    takesValue: spec.flags.includes('<'),
    spec,
  };
}

/**
 * Parses the words after the command's name.
 * @param full the command as typed, for messages, for example `sm brain record`
 * @throws SmError `bad_request` for unknown, incomplete or repeated flags and for missing or surplus arguments
 */
export function parseCall(
  group: CommandGroup,
  entry: CommandEntry,
  words: readonly string[],
  specs: readonly OptionSpec[],
  full: string,
): ParsedCall {
  const flags = [...specs, ...GLOBAL_OPTIONS].map(flagOf);
  const { cacWords, texts } = tokenise(words, flags, full);

  const program = cac(full);
  for (const known of group.commands) {
    const command = program.command(`${known.name} ${known.args}`.trim(), known.summary);
    if (known !== entry) continue;
    for (const { spec } of flags) command.option(spec.flags, spec.summary);
  }
  const parsed = program.parse(['node', full, entry.name, ...cacWords], { run: false });
  const args = parsed.args.map((token) => textOf(token, texts));
  checkArguments(entry, args, full, flags, program.matchedCommand);
  return { args, options: createOptions(flags, parsed.options, texts) };
}

/** Puts a token in the place of every text, and refuses what is no flag of this command. */
function tokenise(words: readonly string[], flags: readonly Flag[], full: string) {
  const texts: string[] = [];
  const cacWords: string[] = [];
  const seen = new Set<string>();
  const keep = (text: string) => `@${texts.push(text) - 1}`;

  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--') {
      cacWords.push(...words.slice(index + 1).map(keep));
      break;
    }
    const spelling = FLAG_SHAPE.exec(word)?.[1];
    if (spelling === undefined) {
      cacWords.push(keep(word));
      continue;
    }
    const flag = flags.find((known) => known.spellings.includes(spelling));
    if (flag === undefined) throw unknownFlag(spelling, flags, full);
    const longest = flag.spellings.at(-1) ?? spelling;
    const hasInlineValue = word.length > spelling.length;
    if (!flag.takesValue) {
      if (hasInlineValue) throw usageError(`${spelling} is a switch and takes no value.`, `Write only ${spelling}.`);
      if (!seen.has(flag.name)) cacWords.push(longest);
      seen.add(flag.name);
      continue;
    }
    if (seen.has(flag.name) && flag.spec.isRepeatable !== true) {
      throw usageError(`${longest} was given more than once.`, `Give ${longest} once; nothing was done.`);
    }
    seen.add(flag.name);
    if (hasInlineValue) {
      cacWords.push(`${longest}=${keep(word.slice(spelling.length + 1))}`);
      continue;
    }
    const next = words[index + 1];
    if (next === undefined || next === '--' || isFlagShaped(next)) throw missingValue(flag, longest, next);
    cacWords.push(`${longest}=${keep(next)}`);
    index += 1;
  }
  return { cacWords, texts };
}

function textOf(token: unknown, texts: readonly string[]): string {
  const text = texts[Number(String(token).slice(1))];
  if (text === undefined) throw new Error(`The argument parser returned a token it was not given: ${String(token)}`);
  return text;
}

function createOptions(flags: readonly Flag[], parsed: Record<string, unknown>, texts: readonly string[]): Options {
  const values = new Map<string, string[]>();
  const switches = new Set<string>();
  for (const flag of flags) {
    const isNegated = flag.name.startsWith('no-');
    const key = camelCase(isNegated ? flag.name.slice(3) : flag.name);
    const value = parsed[key];
    if (flag.takesValue) {
      // cac makes the default of `x` true where there is a switch `--no-x`, as with `--host` beside `--no-host`.
      if (value === undefined || value === true) continue;
      values.set(
        flag.name,
        [value].flat().map((token) => textOf(token, texts)),
      );
    } else if (isNegated ? value === false : value === true) {
      switches.add(flag.name);
    }
  }
  return {
    text: (name) => values.get(name)?.[0],
    texts: (name) => values.get(name) ?? [],
    isSet: (name) => switches.has(name) || values.has(name),
  };
}

/** cac files `--dry-run` under `dryRun`. */
function camelCase(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

interface ArgumentChecks {
  checkRequiredArgs(): void;
  checkUnusedArgs(): void;
}

/** Lets cac count the arguments, and says in our words what is wrong. `--help` is answered before this. */
function checkArguments(
  entry: CommandEntry,
  args: readonly string[],
  full: string,
  flags: readonly Flag[],
  matched?: ArgumentChecks,
): void {
  if (matched === undefined) throw new Error(`The argument parser does not know ${full}.`);
  const form = `${full} ${entry.args}`.trim();
  const usage = `Usage: ${form}`;
  try {
    matched.checkRequiredArgs();
  } catch (cause) {
    const required = entry.args.match(/<[^>]+>/g) ?? [];
    const missing = required.slice(args.length).join(' ');
    throw usageError(`${full} needs ${missing}.`, `${usage}. See ${full} --help.`, cause);
  }
  try {
    matched.checkUnusedArgs();
  } catch (cause) {
    const countMax = (entry.args.match(/[<[]/g) ?? []).length;
    // Where a command takes a secret, a word in the wrong place may be one.
    const takesSecret = flags.some(({ spec }) => spec.isSecret === true);
    const surplus = takesSecret ? 'that many words' : args.slice(countMax).map(quoteShort).join(' ');
    const hint = surplusHint(form, flags, args.slice(countMax));
    throw usageError(`${full} does not take ${surplus}.`, `${usage}. ${hint}; see ${full} --help.`, cause);
  }
}

/** What was probably meant by words where none belong. */
function surplusHint(form: string, flags: readonly Flag[], words: readonly string[]): string {
  if (flags.some(({ spellings }) => spellings.includes('--title'))) {
    return `A title needs its option: ${form} --title ${quoteShort(words.join(' '))}`;
  }
  return words.some((word) => /\s/.test(word))
    ? 'There is no place for more words'
    : 'Put text that contains spaces in quotes';
}

function unknownFlag(spelling: string, flags: readonly Flag[], full: string): SmError {
  const known = flags.flatMap((flag) => flag.spellings);
  const guess = didYouMean(spelling, known);
  return usageError(
    `${full} has no option ${quoteShort(spelling)}.`,
    `${guess}Run "${full} --help" for its options; put -- before text that begins with a dash.`,
  );
}

function missingValue({ spec }: Flag, spelling: string, next: string | undefined): SmError {
  const hint =
    next === undefined || spec.isSecret === true
      ? `Write ${spelling}=… or ${spelling} "…".`
      : `${quoteShort(next)} reads as an option; if it is the value, write ${spelling}=${quoteShort(next)}.`;
  return usageError(`${spelling} needs a value.`, hint);
}

export function usageError(message: string, hint: string, cause?: unknown): SmError {
  return new SmError({ code: 'bad_request', message, hint, ...(cause === undefined ? {} : { cause }) });
}

/** Longest piece of what the user typed that an error repeats, in characters. */
const QUOTED_CHARACTERS_MAX = 60;

export function quoteShort(text: string): string {
  const characters = [...text];
  const shown =
    characters.length <= QUOTED_CHARACTERS_MAX ? text : `${characters.slice(0, QUOTED_CHARACTERS_MAX).join('')}…`;
  return JSON.stringify(shown);
}
