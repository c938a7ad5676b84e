/**
 * The only place that starts git or ssh, for what cannot be read from a file. Bounded in time, without a terminal,
 * without the network, and without running anything that the repository's configuration names.
 */
import type { ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { SmError } from '../core/errors.ts';
import type { Environment } from './scope-id.ts';

/** Reading a configuration takes git some 3 ms. */
export const LOOKUP_TIMEOUT_MS = 2_000;
/** Walking to the first commit takes about 6 ms a thousand commits. */
export const WALK_TIMEOUT_MS = 5_000;
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** Variables that would point git at another repository than the one named, or change what it contains. */
const MISLEADING_VARIABLES = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_COMMON_DIR',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_NAMESPACE',
  'GIT_PREFIX',
  'GIT_SHALLOW_FILE',
  'GIT_GRAFT_FILE',
  'GIT_CONFIG',
];

/**
 * What git prints for the repository in `gitDirectory`, without the final line break; undefined where git is missing
 * or refuses (which it does in the same way every time, so that ids stay the same).
 * @throws SmError `config_invalid` where it is not done in time: going on would give the project another id today than
 *   tomorrow, and scatter its entries
 */
export function runGit(
  gitDirectory: string,
  parameters: string[],
  timeoutMs: number,
  env: Environment,
): string | undefined {
  // A directory named outright is also not subject to git's check of its owner (safe.directory).
  return run('git', [`--git-dir=${gitDirectory}`, ...parameters], timeoutMs, gitEnvironment(env), gitDirectory);
}

/**
 * What git prints of the worktree, while the caller goes on with other work; undefined where it is missing, refuses, or
 * takes longer than `timeoutMs`: for facts that one can do without. Its monitor, a program that the repository's
 * configuration may name, is not asked; filters that it names may be, as by any `git status`.
 */
export function askGit(
  { gitDirectory, worktreeDirectory }: { gitDirectory: string; worktreeDirectory: string },
  parameters: string[],
  timeoutMs: number,
  env: Environment,
): Promise<string | undefined> {
  const { execFile } = process.getBuiltinModule('node:child_process');
  const all = ['-c', 'core.fsmonitor=false', `--git-dir=${gitDirectory}`, `--work-tree=${worktreeDirectory}`];
  return new Promise((resolve) => {
    const options = { ...settings(timeoutMs, gitEnvironment(env)), cwd: worktreeDirectory };
    execFile('git', [...all, ...parameters], options, (error, stdout) => resolve(error === null ? stdout : undefined));
  });
}

function gitEnvironment(env: Environment): Environment {
  const gitEnv: Record<string, string | undefined> = {
    ...env,
    // A partial clone would fetch missing commits, with a command that the repository's configuration names.
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
  };
  for (const name of MISLEADING_VARIABLES) delete gitEnv[name];
  return gitEnv;
}

/** The host behind an alias of the user's ssh configuration; undefined where ssh is missing or does not know. */
export function sshHostName(alias: string, env: Environment): string | undefined {
  // Nothing that ssh could take for an option or a command.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(alias)) return undefined;
  const settings = run('ssh', ['-G', '--', alias], LOOKUP_TIMEOUT_MS, env, undefined);
  return settings?.match(/^hostname (\S+)$/m)?.[1];
}

function run(
  program: string,
  parameters: string[],
  timeoutMs: number,
  env: Environment,
  cwd: string | undefined,
): string | undefined {
  const options: ExecFileSyncOptionsWithStringEncoding = {
    ...settings(timeoutMs, env),
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(cwd === undefined ? {} : { cwd }),
  };
  try {
    // Loaded only when needed: it takes longer than everything else that a command does to find its scope.
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return execFileSync(program, parameters, options).replace(/\r?\n$/, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ETIMEDOUT') return undefined;
    throw new SmError({
      code: 'config_invalid',
      message: `${program} did not tell within ${timeoutMs / 1000} s which repository this is.`,
      hint: 'Try again, or set PROVENANT_PROJECT_ID to name the project outright.',
      details: { field: 'PROVENANT_PROJECT_ID' },
      cause: error,
    });
  }
}

function settings(timeoutMs: number, env: Environment) {
  return {
    encoding: 'utf8',
    env: { ...env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
    windowsHide: true,
  } as const;
}
