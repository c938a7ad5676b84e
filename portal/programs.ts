/** Finds what a session runs and where, as a shell would, and says what to do where it is not to be found. */
import fs from 'node:fs';
import path from 'node:path';
import { SmError } from '../lib/core/errors.ts';
import type { Environment } from './tmux.ts';

/** The program's file, looked for as a shell would. @throws SmError `not_found` */
export function findProgram(program: string, cwd: string, env: Environment): string {
  const places = /[/\\]/.test(program)
    ? [path.resolve(cwd, program)]
    : (env['PATH'] ?? '')
        .split(path.delimiter)
        .filter((directory) => directory !== '')
        .map((directory) => path.resolve(cwd, directory, program));
  // On Windows a program is typed without its ending.
  const endings = process.platform === 'win32' ? ['', ...(env['PATHEXT'] ?? '').split(';')] : [''];
  const found = places.flatMap((place) => endings.map((ending) => place + ending)).find((place) => isProgram(place));
  if (found !== undefined) return found;
  throw new SmError({
    code: 'not_found',
    message: `The command ${JSON.stringify(program)} was not found, so there is no agent to show.`,
    hint: 'Install it, or name another: sm portal start --command bash. The portal looks on its own PATH.',
  });
}

/** @throws SmError `not_found` */
export function checkDirectory(directory: string): string {
  if (fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return directory;
  throw new SmError({
    code: 'not_found',
    message: `The directory ${JSON.stringify(directory)} does not exist, so the agent cannot be started in it.`,
    hint: 'Make it, or name another with --cwd.',
  });
}

function isProgram(place: string): boolean {
  try {
    fs.accessSync(place, fs.constants.X_OK);
    return fs.statSync(place).isFile();
  } catch {
    return false; // Missing or not executable: the next place is looked at.
  }
}
