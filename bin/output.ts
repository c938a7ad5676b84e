/**
 * The two streams a command writes to. A write resolves when the text is with the kernel, so a slow reader slows the
 * command and nothing is cut off at exit. A reader that goes away (`| head`) is OutputClosed: an end, not a failure.
 * A stream is opened when it is first used: opening costs a millisecond, and most commands never touch stderr.
 */
import type { Writable } from 'node:stream';
import { SmError } from '../lib/core/errors.ts';
import type { Output } from './command.ts';

type Stream = Writable & { isTTY?: boolean; columns?: number };

/** The reader of stdout has gone; there is nobody to tell, and nothing has failed. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

export function createStdout(open: () => Stream): Output {
  return createOutput(
    open,
    (stream, text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => {
          if (error) reject(outputFailure(error));
          else resolve();
        });
      }),
  );
}

/** stderr is talk: where nobody can hear it any more, it is dropped. */
export function createStderr(open: () => Stream): Output {
  return createOutput(
    open,
    (stream, text) =>
      new Promise((resolve) => {
        stream.write(text, () => resolve());
      }),
  );
}

function createOutput(open: () => Stream, write: (stream: Stream, text: string) => Promise<void>): Output {
  let opened: Stream | undefined;
  const stream = () => {
    // Each failure reaches the callback of its write; without a listener it would also end the process.
    opened ??= open().on('error', () => undefined);
    return opened;
  };
  return {
    get isTerminal() {
      return stream().isTTY === true;
    },
    get columns() {
      return stream().isTTY === true ? (stream().columns ?? 0) : 0;
    },
    write: (text) => write(stream(), text),
  };
}

function outputFailure(cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'EPIPE' || cause.code === 'ERR_STREAM_DESTROYED' || cause.code === 'ECONNRESET') {
    return new OutputClosed('The reader of the output has gone.', { cause });
  }
  return new SmError({
    code: cause.code === 'ENOSPC' ? 'disk_full' : 'store_failed',
    message: `The output could not be written (${cause.code ?? cause.message}).`,
    hint: 'What the command changed in the brain is kept; only its output is lost.',
    cause,
  });
}
