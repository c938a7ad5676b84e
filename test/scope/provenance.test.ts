/** Where an entry says that it was recorded (lib/scope/provenance.ts), on real repositories. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { provenanceOfPlace } from '../../lib/scope/provenance.ts';
import { createGitSandbox, type GitSandbox } from './git-sandbox.ts';

let box: GitSandbox;
let repository: string;
let commit: string;

beforeAll(() => {
  box = createGitSandbox();
  repository = box.repository('app', 'https://token@github.com/acme/app.git');
  writeFileSync(join(repository, 'a.txt'), 'one\n');
  box.git(repository, 'add', 'a.txt');
  commit = box.commit(repository, 'a');
});
afterAll(() => box.remove());

const ask = (directory: string, env = box.env) => provenanceOfPlace(directory, env);
const host = hostname();

test('[E6] repository, branch, commit and machine are told, and no credential of the address', async () => {
  const repo = 'github.com/acme/app';
  expect(await ask(repository)).toEqual({ repo, branch: 'main', commit, host });
  mkdirSync(join(repository, 'deep'), { recursive: true });
  expect(await ask(join(repository, 'deep'))).toEqual({ repo, branch: 'main', commit, host });
});

test('[E6] changes of tracked files are told, files that git does not know are not', async () => {
  writeFileSync(join(repository, 'new.txt'), 'x');
  expect(await ask(repository)).not.toHaveProperty('isDirty');
  writeFileSync(join(repository, 'a.txt'), 'two\n');
  expect(await ask(repository)).toMatchObject({ commit, isDirty: true });
  writeFileSync(join(repository, 'a.txt'), 'one\n');
  expect(await ask(repository)).not.toHaveProperty('isDirty');
});

test('[E6] a worktree, a detached commit and a repository without commits are what they are', async () => {
  const worktree = box.path('linked');
  box.git(repository, 'worktree', 'add', '--quiet', '-b', 'side', worktree);
  expect(await ask(worktree)).toMatchObject({ branch: 'side', commit });
  box.git(worktree, 'checkout', '--quiet', '--detach');
  const detached = await ask(worktree);
  expect(detached.commit).toBe(commit);
  expect(detached).not.toHaveProperty('branch');
  box.git(box.root, 'init', '--quiet', '--initial-branch=trunk', 'empty');
  expect(await ask(box.path('empty'))).toEqual({ branch: 'trunk', host });
});

test('[E6] where there is no repository, or no git, the machine alone is told', async () => {
  expect(await ask(box.directory('plain'))).toEqual({ host });
  expect(await ask(repository, { ...box.env, PATH: '/nonexistent' })).toEqual({ repo: 'github.com/acme/app', host });
});

test('[E6] the program that a repository names as its monitor is not run', async () => {
  const mark = box.path('ran');
  writeFileSync(box.path('monitor.sh'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  box.git(repository, 'config', 'core.fsmonitor', box.path('monitor.sh'));
  expect(await ask(repository)).toMatchObject({ commit });
  expect(() => writeFileSync(mark, '', { flag: 'wx' })).not.toThrow();
});
