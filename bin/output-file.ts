/**
 * A file that the user named as the place of a command's output. A regular one appears complete or not at all: it is written
 * beside its place, at the end of symbolic links, flushed to disk and renamed; nothing is left of what was interrupted.
 * Anything else (a pipe, a terminal, a device) is written to as it is and never replaced, as a shell's redirection does.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { SmError } from '../lib/core/errors.ts';
import { targetOf } from '../lib/scope/replace-file.ts';
import type { Context } from './command.ts';
import { fileFailure } from './files.ts';
import { createStdout } from './output.ts';

type Produce<T> = (write: (text: string) => Promise<void>) => Promise<T>;

/** Between looks for a reader of a pipe, which is waited for until the user interrupts. */
const READER_POLL_MS = 50;

/** @returns what `produce` does. @throws SmError naming the file; OutputClosed where the reader of a pipe has gone */
export async function writeOutputFile<T>(context: Context, file: string, produce: Produce<T>): Promise<T> {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) throw Object.assign(new Error(), { code: 'EISDIR' });
    if (stats === undefined) return await writeAtomically(context, targetOf(file), produce);
    if (!stats.isFile()) return await writeAsItIs(context, file, stats.isFIFO(), produce);
    const target = targetOf(file);
    // The kernel's own links (/dev/stdout) may lead to a file that no name leads to any more.
    const isNamed = fs.statSync(target, { throwIfNoEntry: false })?.ino === stats.ino;
    return await (isNamed ? writeAtomically(context, target, produce) : writeAsItIs(context, file, false, produce));
  } catch (error) {
    throw fileFailure(error, file, 'written');
  }
}

async function writeAtomically<T>(context: Context, target: string, produce: Produce<T>): Promise<T> {
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  const discard = () => fs.rmSync(temporary, { force: true });
  context.signal.addEventListener('abort', discard, { once: true });
  try {
    // At once, so that it is never made after it was discarded.
    fs.closeSync(fs.openSync(temporary, 'wx', 0o600));
    const handle = await open(temporary, 'r+');
    let result: T;
    try {
      result = await produce((text) => handle.appendFile(text));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    return result;
  } catch (error) {
    discard();
    throw error;
  } finally {
    context.signal.removeEventListener('abort', discard);
  }
}

async function writeAsItIs<T>(context: Context, file: string, isPipe: boolean, produce: Produce<T>): Promise<T> {
  const stream = isPipe ? await openPipe(context, file) : fs.createWriteStream('', { fd: fs.openSync(file, 'w') });
  const output = createStdout(() => stream);
  try {
    return await produce((text) => output.write(text));
  } finally {
    stream.destroy();
  }
}

/** Without blocking, for a thread that waits in the kernel would hold up an interruption, too. */
async function openPipe(context: Context, file: string): Promise<Socket> {
  while (!context.signal.aborted) {
    try {
      return new Socket({ fd: fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK), readable: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await context.wait(READER_POLL_MS);
    }
  }
  throw new SmError({ code: 'interrupted', message: `Nobody has read ${file} yet.` });
}
