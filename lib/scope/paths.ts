/**
 * Where a user's StackMemory lives: one directory with the configuration and the brain. Creates and reads nothing.
 * Invariant: every path it gives is absolute.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { SmError } from '../core/errors.ts';
import type { Environment } from './scope-id.ts';

export interface BrainPaths {
  /** `STACKMEMORY_HOME`, else `~/.stackmemory`. */
  home: string;
  configFile: string;
  brainDirectory: string;
}

/**
 * The paths of this user.
 * @param homeDirectory the user's home directory, or what finds it (`os.homedir`, which throws for a user without one);
 *   it is looked at only where the environment does not decide
 * @param workingDirectory what a relative `STACKMEMORY_HOME` starts from
 * @throws SmError `config_invalid` where neither names a usable directory
 */
export function brainPaths(
  env: Environment,
  homeDirectory: string | (() => string),
  workingDirectory: () => string = currentDirectory,
): BrainPaths {
  const home = chosenHome(env['STACKMEMORY_HOME'], homeDirectory, workingDirectory);
  return { home, configFile: join(home, 'config.json'), brainDirectory: join(home, 'brain') };
}

/**
 * The working directory of this process.
 * @throws SmError `bad_request` where it has been deleted or may not be read
 */
export function currentDirectory(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new SmError({
      code: 'bad_request',
      message: 'The current directory no longer exists, or may not be read.',
      hint: 'Change to an existing directory (for example `cd ~`) and run the command again.',
      cause: error,
    });
  }
}

function chosenHome(
  chosen: string | undefined,
  homeDirectory: string | (() => string),
  workingDirectory: () => string,
): string {
  if (chosen === undefined) return join(userHome(homeDirectory), '.stackmemory');
  if (chosen.trim() === '') throw homeError('STACKMEMORY_HOME is set, but empty.');
  if (chosen.includes('\0')) throw homeError('STACKMEMORY_HOME contains a NUL character.');
  // No shell expands `~` in a unit file or an agent's JSON settings; a directory called "~" is never what was meant.
  if (chosen === '~' || chosen.startsWith('~/') || chosen.startsWith('~\\')) {
    return join(userHome(homeDirectory), chosen.slice(1));
  }
  return isAbsolute(chosen) ? resolve(chosen) : resolve(workingDirectory(), chosen);
}

function userHome(homeDirectory: string | (() => string)): string {
  const home = typeof homeDirectory === 'string' ? homeDirectory : foundHome(homeDirectory);
  if (isAbsolute(home) && !home.includes('\0')) return home;
  throw homeError('The home directory of this user is not known.');
}

function foundHome(find: () => string): string {
  try {
    return find();
  } catch (error) {
    throw homeError('The home directory of this user is not known.', error);
  }
}

function homeError(message: string, cause?: unknown): SmError {
  return new SmError({
    code: 'config_invalid',
    message,
    hint: 'Set STACKMEMORY_HOME to the absolute path of a directory that you own.',
    details: { field: 'STACKMEMORY_HOME' },
    cause,
  });
}
