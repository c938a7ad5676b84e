/** Completion, as a shell asks for it; bash itself is asked too. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sm } from './fakes.ts';

async function complete(...words: string[]): Promise<string[]> {
  const { out, code } = await sm(['complete', '--', ...words]);
  expect(code).toBe(0);
  return out
    .trimEnd()
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0] ?? '');
}

describe('completion', () => {
  it('[X23] completes groups, commands, flags and values', async () => {
    expect(await complete('')).toEqual([
      'login',
      'logout',
      'setup',
      'doctor',
      'upgrade',
      'completion',
      'mcp',
      'serve',
      'help',
      'version',
      'brain',
      'embeddings',
      'host',
      'server',
      'portal',
    ]);
    expect(await complete('br')).toEqual(['brain']);
    expect(await complete('brain', 'rec')).toEqual(['record', 'recall']);
    expect(await complete('brain', 'record', '--con')).toEqual(['--conclusion', '--confidence']);
    expect(await complete('brain', 'record', '--kind', '')).toEqual(['experiment', 'decision', 'insight', 'note']);
    expect(await complete('brain', 'list', '--kind=de')).toEqual(['decision']);
    expect(await complete('brain', 'export', '--format', 'm')).toEqual(['markdown']);
    expect(await complete('brain', 'record', '--agent', 'co')).toEqual(['codex']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await complete('log')).toEqual(['login', 'logout']);
    expect(await complete('login', '--no-')).toEqual(['--no-adopt', '--no-sync', '--no-host', '--no-color']);
    expect(await complete('brain', 'sync', '--p')).toEqual(['--push', '--pull']);
    expect(await complete('brain', 'resolve', '--k')).toEqual(['--keep', '--kind']);
    expect(await complete('host', '')).toEqual(['status', 'stop', 'logs', 'run']);
  });

  it.each(['bash', 'zsh', 'fish'])('[X23] there is a script for %s that calls back', async (shell) => {
    const { out, code } = await sm(['completion', shell]);
    expect(code).toBe(0);
    expect(out).toContain('sm complete --');
  });

  it('[X23] the bash script works in a plain bash, twice sourced, and runs nothing of the line', async () => {
    const { out } = await sm(['completion', 'bash']);
    const directory = mkdtempSync(join(tmpdir(), 'sm-completion-'));
    try {
      writeFileSync(join(directory, 'sm.bash'), out);
      const test = `
set -eu
compopt() { :; } # Only there while bash itself is completing.
sm() { printf '%s|' "$@" >> "$PWD/asked"; echo >> "$PWD/asked"; printf 'decision\\tx\\ndraft\\tx\\n:4\\n'; }
source ./sm.bash; source ./sm.bash
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=(); __sm_complete; printf '%s ' "\${COMPREPLY[@]}"; echo; }
ask sm brain list --kind ''
ask sm brain list --kind = de
ask sm brain record --title '"$(touch ran)' --kind dr
`;
      const printed = execFileSync('bash', ['--norc', '-c', test], { cwd: directory, encoding: 'utf8' });
      expect(printed.split('\n').map((line) => line.trim())).toEqual(['decision draft', 'decision', 'draft', '']);
      const asked = execFileSync('cat', ['asked'], { cwd: directory, encoding: 'utf8' }).split('\n');
      expect(asked).toEqual([
        'complete|--|brain|list|--kind||',
        'complete|--|brain|list|--kind=de|',
        'complete|--|brain|record|--title|"$(touch ran)|--kind|dr|',
        '',
      ]);
      expect(execFileSync('ls', { cwd: directory, encoding: 'utf8' })).not.toContain('ran');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
