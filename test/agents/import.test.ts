/** `sm brain import --source`, as a user runs it in a repository. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newBrainDirectory } from '../support/host-brain.ts';
import { runSm } from '../support/host-commands.ts';

function newHome(): string {
  const home = path.dirname(newBrainDirectory());
  onTestFinished(async () => void (await runSm(home, ['host', 'stop', '--force'])));
  return home;
}

const ADR = (status: string, decision: string) =>
  `# 1. Use tabs\n\nDate: 2024-01-01\n\n## Status\n\n${status}\n\n## Decision\n\n${decision}\n`;

test('[X28] a folder of decision records: shown first, imported once, and what changes there is a new version', async () => {
  const home = newHome();
  const folder = path.join(home, 'adr');
  fs.mkdirSync(folder);
  const file = path.join(folder, '0001-use-tabs.md');
  fs.writeFileSync(file, ADR('Accepted', 'We use tabs.'));
  fs.utimesSync(file, 1_710_000_000, 1_710_000_000);
  const importing = ['brain', 'import', 'adr', '--source', 'adr'];
  expect((await runSm(home, [...importing, '--dry-run'])).stdout).toBe('decision  Use tabs\n1 would be imported\n');
  expect((await runSm(home, ['brain', 'list'])).stdout).toBe('');
  expect((await runSm(home, importing)).stdout).toContain('imported 1 ');
  expect((await runSm(home, importing)).stdout).toContain(
    'imported 0 (0 current, 0 older than what is here), 1 here already',
  );
  fs.writeFileSync(file, ADR('Accepted', 'We use spaces.'));
  expect((await runSm(home, importing)).stdout).toContain('imported 1 (1 current');
  const list = JSON.parse((await runSm(home, ['brain', 'list', '--json'])).stdout) as { conclusion: string }[];
  expect(list.map(({ conclusion }) => conclusion)).toEqual(['We use spaces.']);
  expect((await runSm(home, ['brain', 'conflicts', '--json'])).stdout.trim()).toMatch(/^\[\]$|"conflicts":\s*\[\]/);
  expect((await runSm(home, ['brain', 'recall', 'spaces or tabs'])).stdout).toContain('Use tabs');
}, 60_000);

test('[X28] a folder is the same thing from every directory of its repository', async () => {
  const home = newHome();
  execFileSync('git', ['init', '--quiet'], { cwd: home });
  fs.mkdirSync(path.join(home, 'docs/adr'), { recursive: true });
  fs.writeFileSync(path.join(home, 'docs/adr/0001-use-tabs.md'), ADR('Accepted', 'We use tabs.'));
  const importing = (place: string) => ['brain', 'import', place, '--source', 'adr', '--json'];
  expect(JSON.parse((await runSm(home, importing('docs/adr'))).stdout)).toMatchObject({ imported: 1 });
  const below = await runSm(home, importing('adr'), { cwd: path.join(home, 'docs') });
  expect(JSON.parse(below.stdout)).toMatchObject({ imported: 0, duplicate: 1 });
  const beside = await runSm(home, importing(path.join(home, 'docs/adr')), { cwd: os.tmpdir() });
  expect(JSON.parse(beside.stdout)).toMatchObject({ imported: 0, duplicate: 1 });
  const [entry] = JSON.parse((await runSm(home, ['brain', 'list', '--json'])).stdout) as { refs: string[] }[];
  expect(entry?.refs).toContain('docs/adr/0001-use-tabs.md');
}, 60_000);

test('[X28] the commits of a repository that say why, since a time', async () => {
  const home = newHome();
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...words], {
      cwd: home,
      stdio: 'ignore',
    });
  git('init', '--quiet');
  git('commit', '--allow-empty', '-m', 'Begin');
  git(
    'commit',
    '--allow-empty',
    '-m',
    'Lock the row',
    '-m',
    'Without the lock two workers took the same job, twice a day.',
  );
  expect((await runSm(home, ['brain', 'import', '--source', 'git'])).stdout).toContain('imported 1 ');
  expect((await runSm(home, ['brain', 'recall', 'two workers same job'])).stdout).toContain('Lock the row');
  const later = await runSm(home, ['brain', 'import', '--source', 'git', '--since', '2100-01-01', '--json']);
  expect(later.exitCode === 0 ? (JSON.parse(later.stdout) as { lines: number }).lines : 0).toBe(0);
}, 60_000);

test('[X28] what is no such source is refused, by name', async () => {
  const home = newHome();
  fs.writeFileSync(path.join(home, 'x.json'), 'rubbish');
  const run = async (...words: string[]) => {
    const { exitCode, stderr } = await runSm(home, ['brain', 'import', ...words]);
    return [exitCode, stderr];
  };
  expect(await run('x.json', '--source', 'beads')).toEqual([2, expect.stringContaining('line 1 is not JSON')]);
  expect(await run('--source', 'adr')).toEqual([2, expect.stringContaining('needs its file or folder')]);
  // Beside a repository, which must not be taken in the place of the one that was meant.
  execFileSync('git', ['init', '--quiet'], { cwd: home });
  for (const source of ['adr', 'git', 'instructions', 'mcp-memory', 'beads']) {
    expect(await run('nowhere', '--source', source)).toEqual([3, expect.stringContaining('"nowhere" cannot be read')]);
  }
  expect(await run('x.json', '--source', 'elsewhere')).toEqual([2, expect.any(String)]);
  expect(await run('x.json', '--dry-run')).toEqual([2, expect.stringContaining('--dry-run goes with --source')]);
  expect(await run('/', '--source', 'git')).toEqual([3, expect.stringContaining('not in a git repository')]);
}, 60_000);
