/**
 * Real git repositories in a temporary directory, for the tests of lib/scope. Git sees neither the user's nor the
 * system's configuration, nor any repository around the temporary directory.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface GitSandbox {
  /** Real path of the temporary directory. */
  root: string;
  env: Record<string, string>;
  path: (...names: string[]) => string;
  git: (directory: string, ...parameters: string[]) => string;
  /** A new repository with one commit; returns its path. */
  repository: (name: string, origin?: string) => string;
  commit: (directory: string, message: string) => string;
  directory: (...names: string[]) => string;
  remove: () => void;
}

export function createGitSandbox(): GitSandbox {
  const root = realpathSync.native(mkdtempSync(join(tmpdir(), 'stackmemory-scope-')));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: root,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CEILING_DIRECTORIES: root,
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.org',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.org',
  };
  const path = (...names: string[]): string => join(root, ...names);
  const git = (directory: string, ...parameters: string[]): string =>
    execFileSync('git', parameters, {
      cwd: directory,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  const commit = (directory: string, message: string): string => {
    git(directory, 'commit', '--quiet', '--allow-empty', '--message', message);
    return git(directory, 'rev-parse', 'HEAD');
  };
  const directory = (...names: string[]): string => {
    mkdirSync(path(...names), { recursive: true });
    return path(...names);
  };
  const repository = (name: string, origin?: string): string => {
    git(root, 'init', '--quiet', '--initial-branch=main', name);
    if (origin !== undefined) git(path(name), 'remote', 'add', 'origin', origin);
    commit(path(name), `first of ${name}`);
    return path(name);
  };
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  return { root, env, path, git, repository, commit, directory, remove };
}
