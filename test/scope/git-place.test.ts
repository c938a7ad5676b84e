/** What git knows of a place in the code (lib/scope/git-place.ts), on real repositories. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitTimeMs } from '../../lib/scope/git.ts';
import { placeInCode } from '../../lib/scope/git-place.ts';
import { createGitSandbox, type GitSandbox } from './git-sandbox.ts';

let box: GitSandbox;
let repository: string;
const commits: Record<'first' | 'second' | 'renamed', string> = { first: '', second: '', renamed: '' };

beforeAll(() => {
  box = createGitSandbox();
  repository = box.repository('place');
  mkdirSync(join(repository, 'src'));
  commits.first = save('src/retry.ts', 'one\ntwo\nthree\nfour\n', 'STA-412 retry, see acme/app#9');
  commits.second = save('src/retry.ts', 'one\nTWO\nthree\nfour\n', 'Fix backoff (#12) for UTF-8');
  box.git(repository, 'mv', 'src/retry.ts', 'src/again.ts');
  commits.renamed = box.commit(repository, 'Rename');
});
afterAll(() => box.remove());

function save(file: string, text: string | Buffer, message: string): string {
  writeFileSync(join(repository, file), text);
  box.git(repository, 'add', '--', file);
  return box.commit(repository, message);
}

const ask = (file: string, first?: number, last = first, directory = repository) =>
  placeInCode(directory, file, first === undefined ? undefined : { first, last: last ?? first }, box.env);

test('[R25] a file has the commits that touched it under any name, its names, and the keys that they name', () => {
  expect(ask('src/again.ts')).toEqual({
    commits: [commits.renamed, commits.second, commits.first],
    lineCommits: 0,
    paths: ['src/again.ts', 'src/retry.ts'],
    keys: ['#12', 'UTF-8', 'STA-412'],
    warnings: [],
  });
  expect(ask('again.ts', undefined, undefined, join(repository, 'src')).commits).toHaveLength(3);
  expect(ask('src').commits).toHaveLength(3);
});

test('[R25] a line has the commit that made it, first', () => {
  expect(ask('src/again.ts', 2)).toMatchObject({
    commits: [commits.second, commits.renamed, commits.first],
    lineCommits: 1,
  });
  expect(ask('src/again.ts', 1, 3).commits.slice(0, 2)).toEqual([commits.first, commits.second]);
});

test('[R25] lines that have only moved since the last commit are found again; what is new is said', () => {
  const file = join(repository, 'src/again.ts');
  writeFileSync(file, 'new\r\none\r\nTWO\r\nthree\r\nfour\r\n');
  expect(ask('src/again.ts', 3).commits[0]).toBe(commits.second);
  expect(ask('src/again.ts', 2).commits[0]).toBe(commits.first);
  expect(ask('src/again.ts', 1)).toMatchObject({
    lineCommits: 0,
    warnings: [expect.stringContaining('not committed')],
  });
  expect(ask('src/again.ts', 5, 99).commits[0]).toBe(commits.first);
  box.git(repository, 'checkout', '--quiet', '--', '.');
});

test('[R25] a file that is gone is known all the same; what has no answer is said, with what to do', () => {
  save('gone.txt', 'x\n', 'there');
  rmSync(join(repository, 'gone.txt'));
  expect(ask('gone.txt').commits).toHaveLength(1);
  save('data.bin', Buffer.from([0, 1, 2]), 'binary');
  writeFileSync(join(repository, 'untracked.txt'), 'x\n');
  mkdirSync(box.directory('no-repository'), { recursive: true });
  box.git(box.root, 'init', '--quiet', 'unborn');
  const expectNone = (message: string, ...question: Parameters<typeof ask>) =>
    expect(() => ask(...question)).toThrow(
      expect.objectContaining({ code: 'not_found', message: expect.stringContaining(message) as string }),
    );
  expectNone('there is no line 5', 'src/again.ts', 5);
  expectNone('is binary', 'data.bin', 1);
  expectNone('no commit of untracked.txt', 'untracked.txt');
  expectNone('no commit of never.txt', 'never.txt');
  expectNone('not a file of the repository', '.');
  expectNone('not in a git repository', 'x', undefined, undefined, box.path('no-repository'));
  expectNone('no commits yet', 'x', undefined, undefined, box.path('unborn'));
});

test('[R25] in a linked worktree its own last commit counts, in a shallow clone what is missing is said', () => {
  box.git(repository, 'worktree', 'add', '--quiet', box.path('linked'), commits.second);
  expect(ask('src/retry.ts', 2, 2, box.path('linked')).commits).toEqual([commits.second, commits.first]);
  expect(commitTimeMs(box.path('linked'), 'HEAD', box.env)).toBe(commitTimeMs(repository, commits.second, box.env));
  box.git(box.root, 'clone', '--quiet', '--depth', '1', `file://${repository}`, 'shallow');
  expect(ask('src/again.ts', 2, 2, box.path('shallow'))).toMatchObject({
    lineCommits: 1,
    warnings: [expect.stringContaining('shallow')],
  });
});

test('[R25] a submodule is sent to its own history', () => {
  const part = box.repository('part');
  box.git(repository, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', part, 'part');
  box.commit(repository, 'with a submodule');
  expect(() => ask('part')).toThrow(
    expect.objectContaining({ message: expect.stringContaining('submodule') as string }),
  );
});

test('[R25] nothing that the repository configures is run', () => {
  const hostile = box.repository('hostile');
  const marker = box.path('was-run');
  writeFileSync(join(hostile, '.gitattributes'), '*.txt filter=evil diff=evil\n');
  writeFileSync(join(hostile, 'a.txt'), 'x\n');
  box.git(hostile, 'add', '.');
  box.commit(hostile, 'files');
  for (const key of [
    'filter.evil.clean',
    'filter.evil.smudge',
    'diff.evil.textconv',
    'diff.evil.command',
    'core.fsmonitor',
    'core.pager',
    'gpg.program',
  ]) {
    box.git(hostile, 'config', key, `touch ${marker}; cat`);
  }
  box.git(hostile, 'config', 'log.showSignature', 'true');
  renameSync(join(hostile, 'a.txt'), join(hostile, 'b.txt'));
  writeFileSync(join(hostile, 'a.txt'), 'y\nx\n');
  expect(ask('a.txt', 2, 2, hostile).lineCommits).toBe(1);
  expect(existsSync(marker)).toBe(false);
});
