/**
 * What git knows of a place in the code: which commits made these lines, which touched the file under any name, and what
 * they say they are about. Reads commits alone: the file as it is now would be read through filters that the
 * repository's configuration names. Lines of the file are therefore found again in the last commit.
 */
import fs from 'node:fs';
import path from 'node:path';
import { counted } from '../core/counted.ts';
import { SmError } from '../core/errors.ts';
import { findRepository, realPath } from './git-directory.ts';
import { runGit, WALK_TIMEOUT_MS } from './git-process.ts';
import type { Environment } from './scope-id.ts';

export interface LineRange {
  /** From 1, both included. */
  first: number;
  last: number;
}

export interface CodePlace {
  /** Of the lines first, then of the file; full hashes, each once. */
  commits: string[];
  /** How many of them made the lines that were asked for. */
  lineCommits: number;
  /** From the root of the repository, with `/`; the present name first. */
  paths: string[];
  /** `STA-412`, `#12`: of the commits' subjects. */
  keys: string[];
  /** What makes the answer less than it could be. */
  warnings: string[];
}

/** Commits of a file that are looked at, the newest first. */
const COMMITS_MAX = 300;
const NAMES_MAX = 16;
const KEYS_MAX = 64;
const FILE_BYTES_MAX = 1024 * 1024;
const KEY = /(?:^|[^\w#/-])(#\d{1,9}|[A-Z][A-Z0-9]{1,9}-\d{1,9})(?![\w-])/g;
const HASH = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** @throws SmError `not_found` where there is no repository, file or line; its hint says what to do */
export function placeInCode(
  directory: string,
  file: string,
  lines: LineRange | undefined,
  env: Environment,
): CodePlace {
  const place = locate(directory, file, env);
  const git = (...parameters: string[]) => runGit(place.gitDirectory, parameters, WALK_TIMEOUT_MS, env);
  if (git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}') === undefined) {
    throw notFound(
      'This repository has no commits yet.',
      'Commit first; entries with this file as a ref are found by "sm brain recall --ref".',
    );
  }
  const type = git('ls-tree', '--format=%(objecttype)', 'HEAD', '--', place.path);
  if (type === 'commit') {
    throw notFound(`${place.path} is a submodule: its files have a history of their own.`, `Ask inside it: cd ${file}`);
  }
  const warnings = fs.existsSync(path.join(place.commonDirectory, 'shallow'))
    ? ['This clone is shallow: git knows its last commits only. "git fetch --unshallow" gets the others.']
    : [];
  const history = historyOf(git, place.path);
  if (history.commits.length === 0) {
    const hint = 'Commit it first, or look for it by "sm brain recall --ref".';
    throw notFound(`Git has no commit of ${place.path}.`, hint);
  }
  const lineCommits = lines === undefined ? [] : blame(git, place, lines, warnings);
  return {
    commits: [...new Set([...lineCommits, ...history.commits])],
    lineCommits: lineCommits.length,
    paths: [place.path, ...history.names.filter((name) => name !== place.path)].slice(0, NAMES_MAX),
    keys: history.keys,
    warnings,
  };
}

type Git = (...parameters: string[]) => string | undefined;

interface Located {
  gitDirectory: string;
  commonDirectory: string;
  /** From the root of the worktree, with `/`. */
  path: string;
  absolute: string;
}

function locate(directory: string, file: string, env: Environment): Located {
  const absolute = path.resolve(directory, file);
  const around = findRepository(nearestDirectory(path.dirname(absolute)), env);
  const found = around.kind === 'repository' ? around : findRepository(nearestDirectory(absolute), env);
  if (found.kind !== 'repository' || found.worktreeDirectory === undefined) {
    throw notFound(`${file} is not in a git repository.`, 'Without one, look for it by "sm brain recall --ref".');
  }
  const { gitDirectory, commonDirectory, worktreeDirectory } = found;
  // The last part may be a link that git tracks as such; its directory is where it really is.
  const real = path.join(realPath(path.dirname(absolute)), path.basename(absolute));
  const relative = path.relative(worktreeDirectory, real).split(path.sep).join('/');
  if (relative === '' || relative.startsWith('../')) {
    throw notFound(`${file} is not a file of the repository in ${worktreeDirectory}.`, 'Name a file inside it.');
  }
  return { gitDirectory, commonDirectory, path: relative, absolute };
}

/** What git knows of a file that is gone is asked for all the same. */
function nearestDirectory(absolute: string): string {
  let current = absolute;
  while (!isDirectory(current) && path.dirname(current) !== current) current = path.dirname(current);
  return current;
}

function isDirectory(place: string): boolean {
  try {
    return fs.statSync(place).isDirectory();
  } catch {
    return false; // Not there, or not to be seen: its parent is looked at next.
  }
}

function historyOf(git: Git, file: string): { commits: string[]; names: string[]; keys: string[] } {
  const output = git(
    'log',
    '--follow',
    '--no-show-signature',
    '--no-ext-diff',
    '--no-textconv',
    `--max-count=${COMMITS_MAX}`,
    '--name-status',
    '--format=%x01%H %s',
    '-z',
    'HEAD',
    '--',
    `:(literal,top)${file}`,
  );
  const commits: string[] = [];
  const names: string[] = [];
  const keys = new Set<string>();
  for (const part of (output ?? '').split('\u0001').slice(1)) {
    const [head = '', ...fields] = part.split('\0');
    const hash = head.slice(0, head.indexOf(' '));
    if (!HASH.test(hash)) continue;
    commits.push(hash);
    for (const [, key = ''] of head.slice(hash.length).matchAll(KEY)) keys.add(key);
    const [status = '', ...paths] = fields.map((field) => field.trim()).filter((field) => field !== '');
    if (/^[A-Z]\d*$/.test(status)) names.push(...paths.toReversed());
  }
  return { commits, names: [...new Set(names)], keys: [...keys].slice(0, KEYS_MAX) };
}

/** The commits that made the lines, those of most lines first. */
function blame(git: Git, place: Located, lines: LineRange, warnings: string[]): string[] {
  const committed = git('cat-file', 'blob', `HEAD:${place.path}`);
  if (committed === undefined) {
    warnings.push(`${place.path} is not in the last commit, or too large: its lines have no commits to be asked for.`);
    return [];
  }
  if (committed.includes('\0')) throw notFound(`${place.path} is binary, and has no lines.`, 'Ask for the file alone.');
  const range = rangeInCommit(place, lines, splitLines(committed), warnings);
  if (range === undefined) return [];
  const output = git(
    'blame',
    '--porcelain',
    '--no-textconv',
    '-L',
    `${range.first},${range.last}`,
    'HEAD',
    '--',
    place.path,
  );
  const counts = new Map<string, number>();
  for (const [, hash = ''] of (output ?? '').matchAll(/^([0-9a-f]{40,64}) \d+ \d+/gm)) {
    counts.set(hash, (counts.get(hash) ?? 0) + 1);
  }
  return [...counts].toSorted((a, b) => b[1] - a[1]).map(([hash]) => hash);
}

/** Where lines of the file as it is now are in its last commit: what stands before and after all changes has only moved. */
function rangeInCommit(
  { absolute, path: name }: Located,
  { first, last }: LineRange,
  committed: string[],
  warnings: string[],
): LineRange | undefined {
  const now = readLines(absolute) ?? committed;
  if (first > now.length) {
    throw notFound(
      `${name} has ${counted(now.length, 'line')}; there is no line ${first}.`,
      'Give one that exists, or the file alone.',
    );
  }
  const end = Math.min(last, now.length);
  let before = 0;
  while (before < Math.min(now.length, committed.length) && now[before] === committed[before]) before += 1;
  let after = 0;
  const rest = Math.min(now.length, committed.length) - before;
  while (after < rest && now[now.length - 1 - after] === committed[committed.length - 1 - after]) after += 1;
  const moved = committed.length - now.length;
  const kept: number[] = [];
  for (let line = first; line <= end; line += 1) {
    if (line <= before) kept.push(line);
    else if (line > now.length - after) kept.push(line + moved);
  }
  const [start] = kept;
  if (start === undefined) {
    warnings.push(
      `What stands in line ${first}${end > first ? ` to ${end}` : ''} is not committed yet: the file's commits count.`,
    );
    return undefined;
  }
  return { first: start, last: kept.at(-1) ?? start };
}

function readLines(file: string): string[] | undefined {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile() || stats.size > FILE_BYTES_MAX) return undefined;
  return splitLines(fs.readFileSync(file, 'utf8'));
}

function splitLines(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

function notFound(message: string, hint: string): SmError {
  return new SmError({ code: 'not_found', message, hint });
}
