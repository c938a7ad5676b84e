/**
 * Writes the user's config.json: for logging in and out its own keys of `auth`, and for embeddings theirs, and nothing
 * else. Refuses a file that is broken, and leaves it as it is.
 * Invariant: whoever reads the file, at whatever moment, and after a kill or a power cut too, finds all of the old text
 * or all of the new; it is the user's alone (0600), and so is the file beside it that becomes it.
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SmError, type ErrorCode } from '../core/errors.ts';
import { type Config, parseConfig, readConfigText } from './config.ts';
import { makeDirectory } from './make-directory.ts';
import { codeOf, replaceFile, syncDirectory, targetOf } from './replace-file.ts';

/** New values of `auth`; null removes a key, and an absent one stays as it is. */
export type AuthChange = { readonly [K in keyof Required<NonNullable<Config['auth']>>]?: string | null };

/** How often a write begins anew because another program wrote meanwhile: of n who write at once, one wins each time. */
const ATTEMPTS_MAX = 100;
const DIRECTORY_MODE = 0o700;

/** Changes `auth` in `file`. @throws SmError as `writeConfig` */
export function writeAuth(file: string, change: AuthChange): void {
  writeConfig(file, (config) => withAuth(config, change));
}

/** Puts `embeddings` in the place of what `file` has of them; undefined takes them out. @throws SmError as `writeConfig` */
export function writeEmbeddings(file: string, embeddings: Config['embeddings']): void {
  writeConfig(file, ({ embeddings: _before, ...rest }) => (embeddings === undefined ? rest : { ...rest, embeddings }));
}

/**
 * Changes `file`, which is made where there is none and something is to be in it; a symbolic link is followed to what it
 * names.
 * @throws SmError `config_invalid` for a broken file; `no_permission`, `disk_full` or `conflict` where it cannot be
 *   written. Nothing is changed then.
 */
function writeConfig(file: string, change: (config: Config) => Config): void {
  withFileErrors(file, () => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const before = readConfigText(file);
      const config = change(before === undefined ? {} : parseConfig(before, file));
      if (before === undefined && Object.keys(config).length === 0) return;
      const text = `${JSON.stringify(config, null, 2)}\n`;
      // What is written is read by every later command, so that it has to pass the same gate.
      parseConfig(text, file);
      const target = targetOf(file);
      if (text === before && isPrivate(target)) return;
      makeDurableDirectory(dirname(target));
      if (replaceFile(target, text, { isStillWanted: () => readConfigText(file) === before })) return;
    }
    throw new SmError({
      code: 'conflict',
      message: `${file} was changed by another program again and again.`,
      hint: 'Nothing was written. Run the command again.',
      details: { file },
    });
  });
}

/**
 * Whether `writeAuth` could write now, by doing all of it but the last step; for a caller who is about to get a key
 * that it can get only once.
 * @throws SmError as `writeAuth` does
 */
export function checkWritable(file: string): void {
  withFileErrors(file, () => {
    const text = readConfigText(file) ?? '{}\n';
    parseConfig(text, file);
    const target = targetOf(file);
    makeDurableDirectory(dirname(target));
    replaceFile(target, text, { isStillWanted: () => false });
  });
}

function withAuth(config: Config, change: AuthChange): Config {
  const auth = new Map<string, unknown>(Object.entries(config.auth ?? {}));
  for (const [key, value] of Object.entries(change)) {
    if (value === null) auth.delete(key);
    else auth.set(key, value);
  }
  if (auth.size === 0 && config.auth === undefined) return config;
  return { ...config, auth: Object.fromEntries(auth) };
}

function isPrivate(target: string): boolean {
  const stats = statSync(target, { throwIfNoEntry: false });
  return stats !== undefined && (process.platform === 'win32' || (stats.mode & 0o077) === 0);
}

/** Makes the directory where it is missing, and its name durable. */
function makeDurableDirectory(directory: string): void {
  const firstMade = makeDirectory(directory, DIRECTORY_MODE);
  if (firstMade === undefined) return;
  const last = dirname(firstMade);
  for (let current = directory; current !== last && current !== dirname(current);) {
    current = dirname(current);
    syncDirectory(current);
  }
}

const CODES: Readonly<Record<string, readonly [code: ErrorCode, reason: string]>> = {
  EACCES: ['no_permission', 'permission is denied'],
  EPERM: ['no_permission', 'permission is denied'],
  EROFS: ['no_permission', 'the file system is read-only'],
  ENOSPC: ['disk_full', 'the disk is full'],
  EDQUOT: ['disk_full', 'the disk quota is used up'],
};

function withFileErrors(file: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    const errno = codeOf(error);
    if (error instanceof SmError || errno === undefined) throw error;
    const [code, reason] = CODES[errno] ?? (['config_invalid', `of ${errno}`] as const);
    throw new SmError({
      code,
      message: `${file} cannot be written: ${reason}.`,
      hint: 'Make its directory writable for your user, or point STACKMEMORY_HOME at one that is.',
      details: { file },
      cause: error,
    });
  }
}
