/** `sm host logs`: the end of the host's log, and with --follow what comes after. Reads the file; never asks the host. */
import { watch } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { CommandModule, Context } from '../../command.ts';
import { fileFailure } from '../../files.ts';
import { escapeText } from '../../print/escape.ts';
import { writeJson } from '../../print/json.ts';
import { limitOf } from '../../values.ts';

const LINES_DEFAULT = 50;
/** The end of the log that is looked at, in bytes. */
const TAIL_BYTES_MAX = 4 * 1024 * 1024;

export const command: CommandModule = {
  options: [
    { flags: '--lines <count>', summary: `How many lines from the end (default ${LINES_DEFAULT})` },
    { flags: '--follow', summary: 'Go on printing what is written, until interrupted' },
  ],
  examples: ['sm host logs', 'sm host logs --lines 200', 'sm host logs --follow'],
  async run(context, _args, options) {
    const lineCount = limitOf(options, LINES_DEFAULT, 'lines');
    const { brainDirectory } = await context.locate();
    const path = await context.host.logFile(brainDirectory);
    const tail = await readTail(path);
    const shown = tail.text.split('\n').slice(0, -1).slice(-lineCount);
    if (options.isSet('json') && !options.isSet('follow')) {
      await writeJson(context, { file: path, lines: shown });
      return 0;
    }
    await context.stdout.write(shown.map((line) => `${escapeText(line)}\n`).join(''));
    if (options.isSet('follow')) await follow(context, path, tail.endBytes);
    else if (shown.length === 0) await context.stderr.write(`${path} is empty: the host has not run yet.\n`);
    return 0;
  },
};

/** The last complete lines of the file; none where there is no file yet. */
async function readTail(path: string): Promise<{ text: string; endBytes: number }> {
  const size = await readFrom(path, Infinity);
  const startBytes = Math.max(0, size.endBytes - TAIL_BYTES_MAX);
  const { text, endBytes } = await readFrom(path, startBytes);
  return { text: startBytes === 0 ? text : text.slice(text.indexOf('\n') + 1), endBytes };
}

/** What is in the file from `startBytes` up to its last line end. A file that shrank was rotated: read anew. */
async function readFrom(path: string, startBytes: number): Promise<{ text: string; endBytes: number }> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { text: '', endBytes: 0 };
    throw fileFailure(error, path, 'read');
  }
  try {
    const { size } = await file.stat();
    if (startBytes === Infinity) return { text: '', endBytes: size };
    const from = size < startBytes ? 0 : startBytes;
    const buffer = Buffer.alloc(Math.min(size - from, TAIL_BYTES_MAX));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const lineEnd = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1;
    return { text: buffer.toString('utf8', 0, lineEnd), endBytes: from + lineEnd };
  } finally {
    await file.close();
  }
}

/** Ends with the user's interrupt, or with the reader of the output. */
async function follow(context: Context, path: string, startBytes: number): Promise<void> {
  let position = startBytes;
  try {
    for await (const event of watch(dirname(path), { signal: context.signal })) {
      if (event.filename !== null && event.filename !== basename(path)) continue;
      const { text, endBytes } = await readFrom(path, position);
      position = endBytes;
      if (text !== '') await context.stdout.write(escapeText(text));
    }
  } catch (error) {
    if (!context.signal.aborted) throw fileFailure(error, path, 'read');
  }
}
