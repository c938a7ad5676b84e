/**
 * What identifies the git repository around a directory: its origin, else its first commit, else where it lies. Reads
 * files in the ordinary case and starts git only for what files do not tell.
 * Invariant: all worktrees and subdirectories of a repository give the same identity.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { SmError } from '../core/errors.ts';
import { findRepository, repositoryAt, repositoryRoot } from './git-directory.ts';
import { parseGitConfig } from './git-config.ts';
import { LOOKUP_TIMEOUT_MS, runGit, sshHostName, WALK_TIMEOUT_MS } from './git-process.ts';
import { parseRemoteUrl, remoteName, withHost } from './remote-url.ts';
import type { RemoteUrl } from './remote-url.ts';
import type { Environment } from './scope-id.ts';

/** `value` is `host/path`, a commit id in hex, or an absolute path; it holds no credentials. */
export interface RepositoryIdentity {
  source: 'origin' | 'root-commit' | 'directory';
  value: string;
}

/** A clone of a clone of a clone: local origins are followed this far. */
const LOCAL_ORIGINS_MAX = 4;
/** A repository with ten thousand branches has a configuration of about 1 MB; git reads larger ones for us. */
const CONFIG_CHARACTERS_MAX = 4 * 1024 * 1024;

/**
 * The identity of the repository that `directory` is in; undefined outside any.
 * @throws SmError `config_invalid` where git had to be asked and did not answer in time
 */
export function identifyRepository(directory: string, env: Environment): RepositoryIdentity | undefined {
  const found = findRepository(directory, env);
  if (found.kind === 'none') return undefined;
  if (found.kind === 'broken') return { source: 'directory', value: found.rootDirectory };
  const name = originName(found.commonDirectory, env);
  if (name !== undefined) return { source: 'origin', value: name };
  const commit = rootCommit(found.commonDirectory, env);
  if (commit !== undefined) return { source: 'root-commit', value: commit };
  return { source: 'directory', value: repositoryRoot(found.commonDirectory) };
}

/** When a commit of the repository around `directory` was made, by its committer's clock; undefined where there is none. */
export function commitTimeMs(directory: string, revision: string, env: Environment): number | undefined {
  const found = findRepository(directory, env);
  if (found.kind !== 'repository' || !REVISION.test(revision)) return undefined;
  const parameters = ['show', '--no-patch', '--format=%ct', '--end-of-options', `${revision}^{commit}`];
  const text = runGit(found.gitDirectory, parameters, LOOKUP_TIMEOUT_MS, env);
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text) * 1_000;
}

export interface Commit {
  /** 40 or 64 hex digits. */
  hash: string;
  /** By its committer's clock. */
  timeMs: number;
  subject: string;
  body: string;
}

/** Commits that are asked for at once: their text has to fit into what is read of git. */
const COMMITS_PAGE = 100;
const COMMITS_MAX = 20_000;

/**
 * The commits of HEAD without merges, newest first, at most 20,000.
 * @throws SmError `not_found` outside a repository; `config_invalid` where git does not answer in time
 */
export function commitsOf(directory: string, env: Environment, sinceMs?: number): Commit[] {
  const found = findRepository(directory, env);
  if (found.kind !== 'repository') {
    throw new SmError({
      code: 'not_found',
      message: `${directory} is not in a git repository.`,
      hint: 'Name one: sm brain import <directory> --source git',
    });
  }
  const commits: Commit[] = [];
  while (commits.length < COMMITS_MAX) {
    const since = sinceMs === undefined ? [] : [`--since=@${Math.floor(sinceMs / 1_000)}`];
    const parameters = [
      'log',
      '--no-merges',
      `--max-count=${COMMITS_PAGE}`,
      `--skip=${commits.length}`,
      ...since,
      '--format=%H%x00%ct%x00%s%x00%b%x1e',
    ];
    const text = runGit(found.gitDirectory, parameters, WALK_TIMEOUT_MS, env) ?? '';
    const page = text.split('\x1e').flatMap((record) => {
      const [hash = '', seconds = '', subject = '', body = ''] = record.trimStart().split('\0');
      return /^[0-9a-f]{40,64}$/.test(hash) ? [{ hash, timeMs: Number(seconds) * 1_000, subject, body }] : [];
    });
    commits.push(...page);
    if (page.length < COMMITS_PAGE) break;
  }
  return commits;
}

/** What names a commit, and is no option, range or search. */
const REVISION = /^[\p{L}\p{N}_][\p{L}\p{N}_./@{}~^-]{0,254}$/u;

/**
 * The normalised origin. An origin in a directory of this machine is a name for nobody else, but it is mostly a clone
 * for an agent's own use: it is followed to the origin of the repository that it was cloned from.
 */
function originName(commonDirectory: string, env: Environment): string | undefined {
  let current = commonDirectory;
  for (let step = 0; step <= LOCAL_ORIGINS_MAX; step += 1) {
    const url = originUrl(current, env);
    if (url === undefined) return undefined;
    const remote = resolveAlias(parseRemoteUrl(url), current, env);
    if (remote.kind === 'network') return remoteName(remote);
    if (remote.kind === 'unknown' || !isAbsolute(remote.path)) return undefined;
    const source = sourceRepository(remote.path);
    if (source === undefined) return undefined;
    current = source;
  }
  return undefined;
}

/** The repository exactly at `path`, as `git clone` takes it: with or without `.git`. Its surroundings do not count. */
function sourceRepository(path: string): string | undefined {
  for (const candidate of [path, `${path}.git`]) {
    const found = repositoryAt(candidate);
    if (found?.kind === 'repository') return found.commonDirectory;
  }
  return undefined;
}

/**
 * The address that `git fetch` takes, as written. Not as `insteadOf` rewrites it: a mirror that one machine prefers is
 * no part of the identity. The common configuration alone counts, so that all worktrees agree.
 */
function originUrl(commonDirectory: string, env: Environment): string | undefined {
  const text = readConfig(join(commonDirectory, 'config'));
  const entries = text === undefined ? undefined : parseGitConfig(text);
  const values: (string | true)[] = [];
  let isIncluding = false;
  for (const { section, subsection, key, value } of entries ?? []) {
    if (section === 'remote' && subsection === 'origin' && key === 'url') values.push(value);
    if (section === 'include' || section === 'includeif') isIncluding = true;
  }
  if (entries === undefined || isIncluding || values.includes(true)) {
    const listing = ['config', '--local', '--includes', '--null', '--get-all', 'remote.origin.url'];
    const asked = runGit(commonDirectory, listing, LOOKUP_TIMEOUT_MS, env);
    if (asked !== undefined) return firstUrl(asked.split('\0').slice(0, -1));
  }
  return firstUrl(values.filter((value) => value !== true));
}

/** Git fetches from the first of several; an empty one takes back those before it. */
function firstUrl(values: string[]): string | undefined {
  return values[values.lastIndexOf('') + 1];
}

/**
 * Where the address is a private shorthand (`gh:acme/app` by git's `insteadOf`, `git@work:acme/app` by the ssh
 * configuration), what it stands for. The address itself where nothing is known of it, or git is missing.
 */
function resolveAlias(remote: RemoteUrl, commonDirectory: string, env: Environment): RemoteUrl {
  if (!isAliasLike(remote)) return remote;
  const expanded = runGit(commonDirectory, ['remote', 'get-url', 'origin'], LOOKUP_TIMEOUT_MS, env);
  const resolved = expanded === undefined ? remote : parseRemoteUrl(expanded);
  if (resolved.kind !== 'network' || !isAliasLike(resolved)) return resolved;
  const host = sshHostName(resolved.host, env);
  return host === undefined ? resolved : withHost(resolved, host);
}

/** A host without a dot is not one of the public network, `localhost` and IPv6 addresses apart. */
function isAliasLike(remote: RemoteUrl): boolean {
  if (remote.kind !== 'network') return remote.kind === 'unknown';
  return remote.isSsh && !/^localhost$|[.[]/.test(remote.host);
}

/**
 * The commit that the history of the main worktree's HEAD begins with, along first parents, so that it is one commit
 * even where unrelated histories were merged in later. Undefined before the first commit, and in a shallow clone,
 * whose oldest commit depends on when it was made.
 */
function rootCommit(commonDirectory: string, env: Environment): string | undefined {
  if (existsSync(join(commonDirectory, 'shallow'))) return undefined;
  const walk = ['rev-list', '--first-parent', '--max-parents=0', 'HEAD', '--'];
  const commit = runGit(commonDirectory, walk, WALK_TIMEOUT_MS, env);
  return commit !== undefined && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined;
}

/** Undefined where git had better read it. A missing file is an empty configuration. */
function readConfig(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return text.length <= CONFIG_CHARACTERS_MAX ? text : undefined;
  } catch (error) {
    // Not readable: git, which is asked next, may know more; where it does not, there is no origin.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? '' : undefined;
  }
}
