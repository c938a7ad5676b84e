/**
 * What comes in on stdin or from a file: strict UTF-8, bounded, and let go of as soon as it is too much. Refuses text
 * that is not valid UTF-8, for a replaced character would be a lost one.
 */
import { SmError } from '../lib/core/errors.ts';
import { TEXT_BYTES_MAX } from '../lib/core/limits.ts';
import type { Context } from './command.ts';

/** All drafts of one `record --from`, in bytes. */
export const DRAFTS_BYTES_MAX = 16 * 1024 * 1024;

const ANSWER_CHARACTERS_MAX = 1_024;

/** A line end that the shell adds and nobody meant, in bytes. */
const LINE_END_BYTES = 2;

/** Reads a text field from stdin, without the line end at its end. */
export async function readTextField(context: Context, flag: string): Promise<string> {
  const bytes = await readStdin(context, flag, TEXT_BYTES_MAX + LINE_END_BYTES);
  const text = decodeUtf8(bytes, 'stdin').replace(/\r?\n$/, '');
  if (Buffer.byteLength(text) > TEXT_BYTES_MAX) throw tooLarge('stdin', TEXT_BYTES_MAX);
  return text;
}

/** Reads all of stdin, at most `bytesMax`. @throws SmError `too_large` after at most one chunk more than that */
export async function readStdin(context: Context, what: string, bytesMax: number): Promise<Buffer> {
  if (context.stdin.isTerminal) {
    await context.stderr.write(`Reading ${what} from the terminal; end with Ctrl-D on a line of its own.\n`);
  }
  return collect(context.stdin.chunks(), 'stdin', bytesMax);
}

/** One line that a person types, at most 1 KiB of it; what came before a lost terminal is the answer. */
export async function readAnswer(context: Context): Promise<string> {
  let answer = '';
  for await (const chunk of context.stdin.chunks()) {
    answer += Buffer.from(chunk).toString('utf8');
    if (answer.includes('\n') || answer.length > ANSWER_CHARACTERS_MAX) break;
  }
  return answer.split('\n')[0] ?? '';
}

/** Gathers `chunks`, and stops reading as soon as they are too many. */
export async function collect(chunks: AsyncIterable<Uint8Array>, what: string, bytesMax: number): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(what, bytesMax);
    kept.push(chunk);
  }
  return Buffer.concat(kept);
}

export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SmError({
      code: 'bad_request',
      message: `The text on ${what} is not valid UTF-8.`,
      hint: 'Convert it first, for example with: iconv -f latin1 -t utf-8',
      cause,
    });
  }
}

function tooLarge(what: string, bytesMax: number): SmError {
  const limit = bytesMax >= 1024 * 1024 ? `${bytesMax / 1024 / 1024} MiB` : `${Math.floor(bytesMax / 1024)} KiB`;
  return new SmError({
    code: 'too_large',
    message: `There is more than ${limit} on ${what}.`,
    hint: 'Keep the essence in the entry and link the rest with --ref; split many entries into several files.',
  });
}
