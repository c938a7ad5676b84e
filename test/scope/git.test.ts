/** The identity of real git repositories (lib/scope/git.ts, git-directory.ts, git-process.ts). */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { identifyRepository } from '../../lib/scope/git.ts';
import { createGitSandbox } from './git-sandbox.ts';
import type { GitSandbox } from './git-sandbox.ts';

let box: GitSandbox;
beforeAll(() => {
  box = createGitSandbox();
});
afterAll(() => box.remove());

const ORIGIN = 'git@github.com:Acme/App.git';
const NAMED = { source: 'origin', value: 'github.com/acme/app' };

/** An environment in which any attempt to start git or ssh fails. */
function withoutPrograms(): Record<string, string> {
  return { ...box.env, PATH: box.directory('no-programs') };
}

/** A directory for PATH with one executable shell script, in which the usual programs are still found. */
function pathWith(program: string, script: string): string {
  const directory = box.directory(`fake-${program}`);
  writeFileSync(join(directory, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, program), 0o755);
  return `${directory}:${box.env['PATH']}`;
}

test('[W9] a repository is found and named without starting git, from every place in it', () => {
  const repository = box.repository('plain', ORIGIN);
  const deep = box.directory('plain', 'src', 'deep');
  symlinkSync(deep, box.path('shortcut'));
  symlinkSync(repository, box.path('linked'));
  const places = [
    repository,
    deep,
    join(repository, '.git'),
    join(repository, '.git', 'hooks'),
    box.path('shortcut'),
    box.path('linked', 'src'),
  ];
  for (const place of places) expect(identifyRepository(place, withoutPrograms())).toEqual(NAMED);
});

test('[W9] every worktree gives the identity of its repository', () => {
  const repository = box.repository('main-tree', ORIGIN);
  box.git(repository, 'worktree', 'add', '--quiet', '-b', 'side', box.path('side-tree'));
  expect(identifyRepository(box.path('side-tree'), withoutPrograms())).toEqual(NAMED);

  const bare = box.path('bare.git');
  box.git(box.root, 'clone', '--quiet', '--bare', repository, bare);
  box.git(bare, 'remote', 'set-url', 'origin', ORIGIN);
  box.git(bare, 'worktree', 'add', '--quiet', box.path('bare-tree'), 'main');
  expect(identifyRepository(bare, withoutPrograms())).toEqual(NAMED);
  expect(identifyRepository(box.path('bare-tree'), withoutPrograms())).toEqual(NAMED);
});

test('[W9] without an origin, a worktree on an unrelated branch still gives the identity of the main one', () => {
  const repository = box.repository('no-origin');
  const first = box.git(repository, 'rev-parse', 'HEAD');
  box.git(repository, 'worktree', 'add', '--quiet', '--detach', box.path('orphan-tree'));
  box.git(box.path('orphan-tree'), 'checkout', '--quiet', '--orphan', 'pages');
  expect(identifyRepository(box.path('orphan-tree'), box.env)).toEqual({ source: 'root-commit', value: first });
  box.commit(box.path('orphan-tree'), 'pages');
  expect(identifyRepository(box.path('orphan-tree'), box.env)).toEqual({ source: 'root-commit', value: first });
});

test('[W9] a submodule has its own identity', () => {
  const library = box.repository('library');
  const parent = box.repository('parent', ORIGIN);
  box.git(parent, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, 'vendor/library');
  box.git(join(parent, 'vendor/library'), 'remote', 'set-url', 'origin', 'https://example.org/vendor/library');
  expect(identifyRepository(join(parent, 'vendor/library'), withoutPrograms())?.value).toBe(
    'example.org/vendor/library',
  );
  expect(identifyRepository(join(parent, 'vendor'), withoutPrograms())).toEqual(NAMED);
});

test('[W9] a git directory kept apart from its worktree is found', () => {
  box.git(box.root, 'init', '--quiet', '--separate-git-dir', box.path('apart.git'), 'apart');
  box.git(box.path('apart'), 'remote', 'add', 'origin', ORIGIN);
  expect(identifyRepository(box.path('apart'), withoutPrograms())).toEqual(NAMED);
});

test('[W9] outside any repository there is none, an unfinished .git directory and ceilings considered', () => {
  expect(identifyRepository('/', {})).toBeUndefined();
  expect(identifyRepository(box.directory('outside'), box.env)).toBeUndefined();
  box.directory('outside', '.git');
  expect(identifyRepository(box.path('outside'), box.env)).toBeUndefined();
  const repository = box.repository('ceiling', ORIGIN);
  const inside = box.directory('ceiling', 'inside');
  expect(identifyRepository(inside, { ...box.env, GIT_CEILING_DIRECTORIES: `:${repository}` })).toBeUndefined();
  expect(identifyRepository(repository, { ...box.env, GIT_CEILING_DIRECTORIES: repository })).toEqual(NAMED);
  expect(identifyRepository(join(inside, 'deleted'), box.env)).toEqual(NAMED);
});

test('[W9] a worktree whose repository is out of reach is known by its own directory, not by what is around it', () => {
  box.repository('around', ORIGIN);
  const stray = box.directory('around', 'stray', 'src');
  writeFileSync(box.path('around', 'stray', '.git'), 'gitdir: /nowhere/.git/worktrees/stray\n');
  expect(identifyRepository(stray, box.env)).toEqual({ source: 'directory', value: box.path('around', 'stray') });
});

test("[W10] what a real hook exports leads to the hook's repository", () => {
  const repository = box.repository('hooked', ORIGIN);
  box.git(repository, 'worktree', 'add', '--quiet', '-b', 'hooked-side', box.path('hooked-side'));
  mkdirSync(join(repository, '.git', 'hooks'), { recursive: true });
  const hook = join(repository, '.git', 'hooks', 'pre-commit');
  const seen = box.path('seen.json');
  const script = `require("fs").writeFileSync("${seen}", JSON.stringify({ cwd: process.cwd(), env: process.env }))`;
  writeFileSync(hook, `#!/bin/sh\nexec '${process.execPath}' -e '${script}'\n`);
  chmodSync(hook, 0o755);
  for (const tree of [repository, box.path('hooked-side')]) {
    rmSync(seen, { force: true });
    box.commit(tree, 'through the hook');
    const { cwd, env } = JSON.parse(readFileSync(seen, 'utf8')) as { cwd: string; env: Record<string, string> };
    expect(env).toHaveProperty('GIT_INDEX_FILE');
    expect(identifyRepository(cwd, { ...env, PATH: box.path('no-programs') })).toEqual(NAMED);
  }
});

test('[W10] GIT_DIR decides, unless it names no repository', () => {
  const repository = box.repository('by-variable', ORIGIN);
  const other = box.repository('other-repository', 'https://example.org/other');
  const inside = box.directory('by-variable', 'inside');
  const outside = box.directory('somewhere');
  const from = (place: string, env: Record<string, string>) =>
    identifyRepository(place, { ...withoutPrograms(), ...env });
  expect(from(outside, { GIT_DIR: join(repository, '.git'), GIT_WORK_TREE: outside })).toEqual(NAMED);
  expect(from(other, { GIT_DIR: join(repository, '.git') })).toEqual(NAMED);
  expect(from(repository, { GIT_DIR: '.git' })).toEqual(NAMED);
  expect(from(inside, { GIT_DIR: '.git' })).toEqual(NAMED);
  expect(from(repository, { GIT_DIR: '' })).toEqual(NAMED);
  // Git is asked about the repository that was found, whatever else the variables say.
  const bare = box.repository('root-by-variable');
  const first = box.git(bare, 'rev-parse', 'HEAD');
  expect(
    identifyRepository(bare, {
      ...box.env,
      GIT_DIR: '.git',
      GIT_WORK_TREE: '/nowhere',
      GIT_INDEX_FILE: '/nowhere',
      GIT_OBJECT_DIRECTORY: '/nowhere',
    })?.value,
  ).toBe(first);
});

test('[W11] of several origin addresses the one counts that git fetches from', () => {
  const repository = box.repository('several', ORIGIN);
  box.git(repository, 'remote', 'set-url', '--add', 'origin', 'https://example.org/mirror');
  expect(box.git(repository, 'remote', 'get-url', 'origin')).toBe(ORIGIN);
  expect(identifyRepository(repository, withoutPrograms())).toEqual(NAMED);
});

test('[W11] an origin in an included file is found by git, and without git the file itself counts', () => {
  const repository = box.repository('included');
  writeFileSync(box.path('extra'), `[remote "origin"]\n\turl = ${ORIGIN}\n`);
  box.git(repository, 'config', 'include.path', box.path('extra'));
  expect(identifyRepository(repository, box.env)).toEqual(NAMED);
  expect(identifyRepository(repository, { ...box.env, GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' })).toEqual(NAMED);
  box.git(repository, 'config', 'remote.origin.url', 'https://example.org/own');
  expect(identifyRepository(repository, withoutPrograms())?.value).toBe('example.org/own');
});

test('[W11] a shorthand of insteadOf is expanded, and a rewriting of whole addresses is not', () => {
  writeFileSync(
    box.path('global'),
    '[url "git@github.com:"]\n\tinsteadOf = gh:\n[url "https://mirror.lan/"]\n\tinsteadOf = https://github.com/\n',
  );
  const env = { ...box.env, GIT_CONFIG_GLOBAL: box.path('global') };
  expect(identifyRepository(box.repository('shorthand', 'gh:acme/app'), env)).toEqual(NAMED);
  expect(identifyRepository(box.repository('mirrored', 'https://github.com/acme/app'), env)).toEqual(NAMED);
  expect(identifyRepository(box.path('shorthand'), withoutPrograms())).toEqual({
    source: 'origin',
    value: 'gh/acme/app',
  });
});

test('[W11] an alias of the ssh configuration is the host that it stands for', () => {
  const PATH = pathWith('ssh', 'test "$1 $2" = "-G --" && printf "user git\\nhostname GitHub.com\\nport 22\\n"');
  const repository = box.repository('aliased', 'git@work:Acme/App.git');
  expect(identifyRepository(repository, { ...box.env, PATH })).toEqual(NAMED);
  expect(identifyRepository(repository, withoutPrograms())).toEqual({ source: 'origin', value: 'work/Acme/App' });
});

test('[W11] a local clone has the identity of the repository that it was cloned from', () => {
  const source = box.repository('cloned', ORIGIN);
  box.git(box.root, 'clone', '--quiet', source, 'clone');
  box.git(box.root, 'clone', '--quiet', `file://${box.path('clone')}/.git`, 'clone-of-clone');
  expect(identifyRepository(box.path('clone'), withoutPrograms())).toEqual(NAMED);
  expect(identifyRepository(box.path('clone-of-clone'), withoutPrograms())).toEqual(NAMED);

  const nameless = box.repository('nameless');
  const first = box.git(nameless, 'rev-parse', 'HEAD');
  box.git(box.root, 'clone', '--quiet', nameless, 'nameless-clone');
  for (const place of [nameless, box.path('nameless-clone')]) {
    expect(identifyRepository(place, box.env)).toEqual({ source: 'root-commit', value: first });
  }
  box.git(nameless, 'remote', 'add', 'origin', box.path('nameless-clone'));
  expect(identifyRepository(nameless, box.env)).toEqual({ source: 'root-commit', value: first });
  renameSync(box.path('nameless-clone'), box.path('nameless-moved'));
  expect(identifyRepository(nameless, box.env)).toEqual({ source: 'root-commit', value: first });
});

test('[W12] the first commit along first parents counts, merged histories and dubious ownership notwithstanding', () => {
  const repository = box.repository('joined');
  const first = box.git(repository, 'rev-parse', 'HEAD');
  box.git(repository, 'fetch', '--quiet', box.repository('joining'), 'main');
  box.git(repository, 'merge', '--quiet', '--allow-unrelated-histories', '--message', 'join', 'FETCH_HEAD');
  box.commit(repository, 'last');
  expect(box.git(repository, 'rev-list', '--max-parents=0', 'HEAD').split('\n')).toHaveLength(2);
  const identity = { source: 'root-commit', value: first };
  expect(identifyRepository(repository, box.env)).toEqual(identity);
  expect(identifyRepository(repository, { ...box.env, GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' })).toEqual(identity);
});

test('[W12] before the first commit, in a shallow clone, and without git the place of the repository counts', () => {
  box.git(box.root, 'init', '--quiet', 'unborn');
  box.directory('unborn', 'src');
  expect(identifyRepository(box.path('unborn', 'src'), box.env)).toEqual({
    source: 'directory',
    value: box.path('unborn'),
  });

  const full = box.repository('full');
  box.commit(full, 'second');
  box.git(box.root, 'clone', '--quiet', '--depth', '1', `file://${full}`, 'shallow');
  box.git(box.path('shallow'), 'remote', 'remove', 'origin');
  expect(existsSync(box.path('shallow', '.git', 'shallow'))).toBe(true);
  expect(identifyRepository(box.path('shallow'), box.env)).toEqual({ source: 'directory', value: box.path('shallow') });

  box.git(full, 'worktree', 'add', '--quiet', '--detach', box.path('full-side'));
  for (const place of [full, box.path('full-side')]) {
    expect(identifyRepository(place, withoutPrograms())).toEqual({ source: 'directory', value: full });
  }
  cpSync(join(full, '.git'), box.path('full.git'), { recursive: true });
  expect(identifyRepository(box.path('full.git'), withoutPrograms())?.value).toBe(box.path('full.git'));
});

test('[W12] a partial clone is never fetched into, nor a command of the repository run', () => {
  const repository = box.repository('partial');
  const first = box.git(repository, 'rev-parse', 'HEAD');
  box.commit(repository, 'second');
  const trap = join(repository, 'trap');
  writeFileSync(trap, `#!/bin/sh\ntouch "${box.root}/sprung"\n`);
  chmodSync(trap, 0o755);
  for (const [key, value] of [
    ['core.repositoryFormatVersion', '1'],
    ['extensions.partialClone', 'other'],
    ['remote.other.url', 'ssh://example.invalid/app'],
    ['remote.other.promisor', 'true'],
    ['core.sshCommand', trap],
    ['core.fsmonitor', trap],
    ['protocol.allow', 'always'],
  ] as const) {
    box.git(repository, 'config', key, value);
  }
  rmSync(join(repository, '.git', 'objects', first.slice(0, 2), first.slice(2)));
  expect(identifyRepository(repository, box.env)).toEqual({ source: 'directory', value: repository });
  expect(existsSync(box.path('sprung'))).toBe(false);
});

test('[W13] a git that hangs is an error with a remedy, not another id', () => {
  const PATH = pathWith('git', 'exec sleep 60');
  const repository = box.path('hanging');
  box.repository('hanging', 'gh:acme/app');
  expect(() => identifyRepository(repository, { ...box.env, PATH })).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.stringContaining('PROVENANT_PROJECT_ID') }),
  );
});

test('[W11] a configuration that cannot be read or parsed does not fail', () => {
  const repository = box.repository('garbled', ORIGIN);
  writeFileSync(join(repository, '.git', 'config'), 'not a configuration');
  expect(identifyRepository(repository, box.env)).toEqual({ source: 'directory', value: repository });
  rmSync(join(repository, '.git', 'config'));
  expect(identifyRepository(repository, box.env)?.source).toBe('root-commit');
});
