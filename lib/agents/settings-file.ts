/**
 * Settings that are somebody else's, as files: read whole or refused, and replaced in one step. What stands in the way is said
 * in words that name the file.
 */
import fs from 'node:fs';
import path from 'node:path';
import { SmError, toSmError } from '../core/errors.ts';
import { writeWhole } from '../host/private-file.ts';

const FILE_BYTES_MAX = 32 * 1024 * 1024;

/** @returns undefined where there is none. @throws SmError naming the file */
export function readSettings(file: string): string | undefined {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isFile()) throw refused(file, 'it is not a file.', 'Move it away.');
  if (stat.size > FILE_BYTES_MAX) throw refused(file, 'it is too large for settings.', 'Look at what it is.');
  const bytes = inWords(file, () => fs.readFileSync(file));
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw refused(file, 'it is not UTF-8.', 'Save it as UTF-8 first.');
  return text;
}

/** Beside it and renamed, with its mode; a symbolic link stays one. @param text undefined: it goes. @throws SmError */
export function replaceSettings(file: string, text: string | undefined): void {
  inWords(file, () => {
    const target =
      fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true ? fs.realpathSync(file) : file;
    if (text === undefined) return fs.rmSync(target);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    const stat = fs.statSync(target, { throwIfNoEntry: false });
    // One that its owner has made read-only is not to be written, though renaming would do it.
    if (stat !== undefined) fs.accessSync(target, fs.constants.W_OK);
    if (stat !== undefined && (stat.mode & 0o200) === 0) throw Object.assign(new Error(), { code: 'EACCES' });
    writeWhole(target, text, stat?.mode);
  });
}

/** What `make` throws is said of the file. @throws SmError */
export function namingFile<T>(file: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const { message, hint } = toSmError(error);
    throw refused(file, message, hint);
  }
}

function inWords<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SmError || code === undefined) throw error;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SmError({
        code: 'disk_full',
        message: `The disk that holds ${file} is full.`,
        hint: 'Nothing of it was written. Free some space and run the command again.',
        cause: error,
      });
    }
    throw new SmError({
      code: 'no_permission',
      message: `${file} cannot be changed (${code}).`,
      hint: 'Nothing of it was written. Give yourself the right to, or make the entry by hand: see docs/AGENTS.md.',
      cause: error,
    });
  }
}

function refused(file: string, why: string, hint: string | undefined): SmError {
  return new SmError({
    code: 'config_invalid',
    message: `${file} is left as it is: ${why}`,
    ...(hint === undefined ? {} : { hint }),
  });
}
