/** Which workspace and project a command works in (lib/scope/resolve.ts). */
import { createHash } from 'node:crypto';
import { chmodSync, rmSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveScope } from '../../lib/scope/resolve.ts';
import { createGitSandbox } from './git-sandbox.ts';
import type { GitSandbox } from './git-sandbox.ts';

let box: GitSandbox;
beforeAll(() => {
  box = createGitSandbox();
});
afterAll(() => box.remove());

const CONFIG = { auth: { workspaceId: ' acme ', projectId: 'account-project' } };

function sha(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 16);
}

test('[W14] the workspace is the variable, else the configuration, else none', () => {
  const cwd = box.directory('workspace');
  const env = { ...box.env, PROVENANT_WORKSPACE_ID: ' team ' };
  expect(resolveScope({ env, cwd, config: CONFIG })).toMatchObject({ workspaceId: 'team', workspaceSource: 'env' });
  expect(resolveScope({ env: { ...env, PROVENANT_WORKSPACE_ID: ' ' }, cwd, config: CONFIG })).toMatchObject({
    workspaceId: 'acme',
    workspaceSource: 'config',
  });
  expect(resolveScope({ env: box.env, cwd, config: {} })).toMatchObject({ workspaceId: '', workspaceSource: 'none' });
});

test('[W15] the project is the variable, else the repository, else the configuration, else the directory', () => {
  const repository = box.repository('app', 'https://ada:s3cret@GitHub.com/Acme/App.git');
  const outside = box.directory('outside');
  const env = { ...box.env, PROVENANT_PROJECT_ID: 'mine' };
  expect(resolveScope({ env, cwd: repository, config: CONFIG })).toMatchObject({
    projectId: 'mine',
    projectSource: 'env',
    projectDetail: 'PROVENANT_PROJECT_ID',
  });
  expect(resolveScope({ env: box.env, cwd: repository, config: CONFIG })).toMatchObject({
    projectId: sha('github.com/acme/app'),
    projectSource: 'origin',
    projectDetail: 'github.com/acme/app',
  });
  expect(resolveScope({ env: box.env, cwd: outside, config: CONFIG })).toMatchObject({
    projectId: 'account-project',
    projectSource: 'config',
    projectDetail: 'auth.projectId',
  });
  expect(resolveScope({ env: box.env, cwd: outside, config: {} })).toMatchObject({
    projectId: sha(outside),
    projectSource: 'directory',
    projectDetail: outside,
  });
});

test('[W15] a repository without origin is known by its first commit, then by its place, before the configuration', () => {
  const repository = box.repository('local');
  const first = box.git(repository, 'rev-parse', 'HEAD');
  expect(resolveScope({ env: box.env, cwd: repository, config: CONFIG })).toMatchObject({
    projectId: sha(first),
    projectSource: 'root-commit',
    projectDetail: first,
  });
  box.git(box.root, 'init', '--quiet', 'new');
  expect(resolveScope({ env: box.env, cwd: box.path('new'), config: CONFIG })).toMatchObject({
    projectId: sha(box.path('new')),
    projectSource: 'directory',
  });
});

test('[W16] the hashed strings are fixed: ids stay the same from release to release', () => {
  const repository = box.repository('fixed', 'git@github.com:acme/app.git');
  expect(resolveScope({ env: box.env, cwd: repository, config: {} }).projectId).toBe('98d9fc12e0202ede');
  expect(resolveScope({ env: { GIT_CEILING_DIRECTORIES: '/' }, cwd: '/', config: {} })).toMatchObject({
    projectId: '8a5edab282632443',
    projectDetail: '/',
  });
});

test.each([
  ['PROVENANT_WORKSPACE_ID', 'a\nb'],
  ['PROVENANT_WORKSPACE_ID', 'x'.repeat(129)],
  ['PROVENANT_PROJECT_ID', 'a\0b'],
  ['PROVENANT_PROJECT_ID', '\ud800'],
])('[W17] an unfit %s is refused by name, and its value not repeated', (field, value) => {
  expect(() => resolveScope({ env: { [field]: value }, cwd: '/', config: {} })).toThrow(
    expect.objectContaining({
      code: 'config_invalid',
      message: expect.stringMatching(new RegExp(`^${field}: must `)),
      details: { field },
    }),
  );
});

test('[W17] 128 characters of any script are fit', () => {
  const id = '𝔸'.repeat(128);
  expect(resolveScope({ env: { PROVENANT_PROJECT_ID: id }, cwd: '/', config: {} }).projectId).toBe(id);
  expect(() => resolveScope({ env: {}, cwd: '/', config: { auth: { workspaceId: 'a\u0007' } } })).toThrow(
    /auth\.workspaceId/,
  );
});

test('[W18] symbolic links to a directory do not change its project', () => {
  const real = box.directory('real', 'deep');
  symlinkSync(box.path('real'), box.path('link'));
  const config = {};
  expect(resolveScope({ env: box.env, cwd: box.path('link', 'deep'), config })).toEqual(
    resolveScope({ env: box.env, cwd: real, config }),
  );
});

test('[W18] a deleted directory, and one below a directory that may not be entered, still have a project', () => {
  const gone = box.directory('gone', 'inner');
  rmSync(box.path('gone'), { recursive: true });
  expect(resolveScope({ env: box.env, cwd: gone, config: {} })).toMatchObject({
    projectId: sha(gone),
    projectSource: 'directory',
  });

  const closed = box.directory('closed', 'inner');
  chmodSync(box.path('closed'), 0o000);
  // Root may enter everything, so it becomes an ordinary user for the moment.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    expect(resolveScope({ env: box.env, cwd: closed, config: {} })).toMatchObject({
      projectId: sha(closed),
      projectSource: 'directory',
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(box.path('closed'), 0o755);
  }
});
