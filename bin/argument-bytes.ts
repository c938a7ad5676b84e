/**
 * Finds arguments that are no UTF-8. Node has put U+FFFD in the place of their bytes before the program begins, so that
 * what was typed would be lost without a word. Pure; loaded only where an argument holds that character.
 */
import { isUtf8 } from 'node:buffer';
import { quoteShort, usageError } from './arguments.ts';

const NUL = 0;

/**
 * @param commandLine what the system has of it, undefined where it does not tell: U+FFFD then stays what it is
 * @throws SmError `bad_request` where an argument is no UTF-8
 */
export function requireUtf8(argv: readonly string[], commandLine: Uint8Array | undefined): void {
  // The program and its own switches come first.
  const given = argumentsOf(commandLine ?? new Uint8Array()).slice(-argv.length);
  for (const [index, argument] of argv.entries()) {
    const bytes = given[index];
    if (bytes === undefined || isUtf8(bytes) || !argument.includes('\uFFFD')) continue;
    throw usageError(
      `The argument ${quoteShort(argument)} is not valid UTF-8, so it would not be stored as it was typed.`,
      'Convert it (iconv -t UTF-8), or pass the text on stdin (--summary -, record --from -) or in a file, as UTF-8.',
    );
  }
}

function argumentsOf(commandLine: Uint8Array): Buffer[] {
  const found: Buffer[] = [];
  for (let start = 0; start < commandLine.length;) {
    const end = commandLine.indexOf(NUL, start);
    const stop = end === -1 ? commandLine.length : end;
    found.push(Buffer.from(commandLine.subarray(start, stop)));
    start = stop + 1;
  }
  return found;
}
