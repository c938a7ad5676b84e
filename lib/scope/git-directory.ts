/**
 * Finds the git repository around a directory the way git does, by reading `.git`, without starting git. Never writes.
 * Unlike git it does not ask who owns the repository: it runs nothing from it. It also walks on over mount points, so
 * that a mounted subdirectory belongs to its repository.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Environment } from './scope-id.ts';

export type Discovery =
  /**
   * `commonDirectory` holds what all worktrees share; its real path is the same seen from each of them. `gitDirectory` is
   * the worktree's own, with its HEAD. `worktreeDirectory` is absent where the repository was not found by a worktree.
   */
  | { kind: 'repository'; commonDirectory: string; gitDirectory: string; worktreeDirectory?: string }
  /** A `.git` file that leads nowhere, such as that of a worktree copied away from its repository. */
  | { kind: 'broken'; rootDirectory: string }
  | { kind: 'none' };

type Repository = Extract<Discovery, { kind: 'repository' }>;

/** Directories between a path and the root of the file system; no system allows a longer path than this many. */
const PARENTS_MAX = 4_096;
/** A `.git` or `commondir` file holds one path. */
const POINTER_BYTES_MAX = 64 * 1024;

/**
 * The repository that git would use in `directory`. `GIT_DIR`, which hooks set, comes first; where it names no
 * repository (a hook's relative `.git`, inherited by a program that went elsewhere) the search goes on without it.
 */
export function findRepository(directory: string, env: Environment): Discovery {
  const start = realPath(directory);
  const named = env['GIT_DIR'];
  if (named !== undefined && named !== '') {
    const common = env['GIT_COMMON_DIR'];
    const repository = openRepository(resolve(start, named), ...(common ? [resolve(start, common)] : []));
    if (repository !== undefined) return repository;
  }
  const ceilings = ceilingDirectories(env['GIT_CEILING_DIRECTORIES']);
  let current = start;
  for (let step = 0; step < PARENTS_MAX; step += 1) {
    const found = repositoryAt(current);
    if (found !== undefined) return found;
    const parent = dirname(current);
    if (parent === current || ceilings.has(parent)) return { kind: 'none' };
    current = parent;
  }
  return { kind: 'none' };
}

/** The real path; where it cannot be had (no permission on a parent, a deleted directory) the path as it stands. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path); // Still an exact name for this machine, which is all that the callers promise.
  }
}

/**
 * Where the repository lies, for people and for a project id of last resort: the root of the main worktree, or the
 * git directory itself where it is bare, a submodule's, or kept apart from its worktree.
 */
export function repositoryRoot(commonDirectory: string): string {
  return basename(commonDirectory) === '.git' ? dirname(commonDirectory) : commonDirectory;
}

/** The repository whose worktree begins exactly at `directory`, or that is `directory`; undefined where neither is. */
export function repositoryAt(directory: string): Discovery | undefined {
  const dotGit = join(directory, '.git');
  if (existsSync(dotGit)) {
    const repository = openRepository(dotGit);
    if (repository !== undefined) return { ...repository, worktreeDirectory: directory };
    // Git stops at a broken `.git` file, but passes an unfinished `.git` directory.
    if (statOrUndefined(dotGit)?.isFile()) return { kind: 'broken', rootDirectory: directory };
  }
  return existsSync(join(directory, 'HEAD')) ? openRepository(directory) : undefined;
}

/** Opens a git directory, or a file that points to one. */
function openRepository(path: string, commonOverride?: string): Repository | undefined {
  const gitDirectory = existsSync(join(path, 'HEAD')) ? path : followGitFile(path);
  if (gitDirectory === undefined || !existsSync(join(gitDirectory, 'HEAD'))) return undefined;
  const pointer = commonOverride ?? readPointer(join(gitDirectory, 'commondir'));
  const commonDirectory = pointer === undefined ? gitDirectory : resolve(gitDirectory, pointer);
  if (!existsSync(join(commonDirectory, 'objects')) || !existsSync(join(commonDirectory, 'refs'))) return undefined;
  return { kind: 'repository', commonDirectory: realPath(commonDirectory), gitDirectory: realPath(gitDirectory) };
}

/** The directory that a `gitdir: …` file names; undefined for anything else. */
function followGitFile(path: string): string | undefined {
  const target = readPointer(path)?.match(/^gitdir: (.+)$/s)?.[1];
  return target === undefined ? undefined : resolve(dirname(path), target);
}

function readPointer(file: string): string | undefined {
  if (!existsSync(file)) return undefined; // Cheaper than a stat, and the usual case.
  const stats = statOrUndefined(file);
  if (stats === undefined || !stats.isFile() || stats.size > POINTER_BYTES_MAX) return undefined;
  try {
    return readFileSync(file, 'utf8').replace(/[\r\n]+$/, '');
  } catch {
    return undefined; // Not readable for this user: for this user there is no repository here, as git says too.
  }
}

function statOrUndefined(path: string): ReturnType<typeof statSync> {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // No permission, or a file where a directory is expected: nothing that could be used.
  }
}

/** Git's rule: the search does not enter these directories from below. The directory it starts in is always seen. */
function ceilingDirectories(list: string | undefined): Set<string> {
  if (list === undefined || list === '') return new Set();
  return new Set(list.split(delimiter).filter(isAbsolute).map(realPath));
}
