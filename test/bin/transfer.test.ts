/** Export and import: everything out, everything in, twice is once, and one bad line costs only itself. */
import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RequestOf } from '../../lib/brain/contract.ts';
import { SmError } from '../../lib/core/errors.ts';
import { LINE_BYTES_MAX } from '../../bin/lines.ts';
import { entryOf, FakeBrain, idOf, NOW_MS, sm } from './fakes.ts';

const execFileAsync = promisify(execFile);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sm-cli-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const uuid = (number: number) => `00000000-0000-4000-9000-${String(number).padStart(12, '0')}`;

function filledBrain(count: number): FakeBrain {
  const brain = new FakeBrain();
  for (let number = 1; number <= count; number += 1) {
    brain.put(entryOf({ entryId: idOf(number), title: `Entry ${number} 世界\u0085\u2028` }), uuid(number));
  }
  brain.put(entryOf({ entryId: idOf(1), title: 'Entry 1, mended', updatedAt: NOW_MS }), uuid(count + 1));
  return brain;
}

describe('export', () => {
  it('[X16] writes every change of the log, page by page, and import makes the same of it', async () => {
    const source = filledBrain(1_234);
    const { out, code } = await sm(['brain', 'export'], { brain: source });
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(1_235);
    expect(Object.keys(JSON.parse(lines[0] ?? '') as object)).toEqual([
      'stackmemory',
      'changeId',
      'base',
      'replicaId',
      'hash',
      'receivedAt',
      'origin',
      'entry',
    ]);
    expect(source.calls.filter(({ operation }) => operation === 'logPage')).toHaveLength(3);

    const target = new FakeBrain();
    const first = await sm(['brain', 'import', '-', '--json'], { brain: target, stdin: out });
    expect(first.code).toBe(0);
    expect(first.json()).toEqual({
      lines: 1_235,
      masked: 0,
      imported: 1_235,
      applied: 1_235,
      superseded: 0,
      duplicate: 0,
      refusedCount: 0,
      refused: [],
    });
    expect(new Map(target.entries)).toEqual(new Map(source.entries));
    const sizes = target.calls.map(({ request }) => (request as RequestOf<'import'>).changes.length);
    expect(sizes).toEqual([500, 500, 235]);

    const second = await sm(['brain', 'import', '-', '--json'], { brain: target, stdin: out });
    expect(second.json()).toMatchObject({ imported: 0, duplicate: 1_235 });
  });

  it('[X19] a file appears complete, or not at all', async () => {
    const file = join(directory, 'brain.jsonl');
    const done = await sm(['brain', 'export', '--output', file, '--json'], { brain: filledBrain(3) });
    expect(done.json()).toMatchObject({ file, format: 'jsonl', changes: 4, entries: 3 });
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(4);
    expect(readdirSync(directory)).toEqual(['brain.jsonl']);

    const failing = filledBrain(3);
    failing.failure = new SmError({ code: 'store_failed', message: 'no' });
    const failed = await sm(['brain', 'export', '--output', file], { brain: failing });
    expect(failed.code).toBe(7);
    expect(readdirSync(directory)).toEqual(['brain.jsonl']);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(4);

    const nowhere = await sm(['brain', 'export', '--output', join(directory, 'no', 'where')], {
      brain: filledBrain(1),
    });
    expect(nowhere.code).toBe(3);
  });

  it('[X19] a symbolic link stays one, and what it leads to is replaced', async () => {
    const target = join(directory, 'kept', 'brain.jsonl');
    mkdirSync(join(directory, 'kept'));
    const links = ['there', 'not-yet'].map((name) => join(directory, name));
    symlinkSync('kept/brain.jsonl', links[0] ?? '');
    symlinkSync(join('kept', 'new.jsonl'), links[1] ?? '');
    writeFileSync(target, 'earlier');
    for (const file of links) {
      expect((await sm(['brain', 'export', '--output', file], { brain: filledBrain(3) })).code).toBe(0);
      expect(lstatSync(file).isSymbolicLink()).toBe(true);
      expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(4);
    }
    expect(readdirSync(join(directory, 'kept'))).toEqual(['brain.jsonl', 'new.jsonl']);
    symlinkSync('round', join(directory, 'round'));
    const round = await sm(['brain', 'export', '--output', join(directory, 'round')], { brain: filledBrain(1) });
    expect(round.code).toBe(2);
  });

  it('[X19] a directory is refused', async () => {
    const { code, err } = await sm(['brain', 'export', '--output', directory], { brain: filledBrain(1) });
    expect(code).toBe(2);
    expect(err).toContain('it is a directory');
    expect(readdirSync(directory)).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('[X19] a pipe gets it all and stays a pipe', async () => {
    const file = join(directory, 'pipe');
    execFileSync('mkfifo', [file]);
    const reader = execFileAsync('cat', [file]);
    const { code } = await sm(['brain', 'export', '--output', file], { brain: filledBrain(1_500) });
    expect(code).toBe(0);
    expect((await reader).stdout.trimEnd().split('\n')).toHaveLength(1_501);
    expect(lstatSync(file).isFIFO()).toBe(true);

    const first = execFileAsync('head', ['-n', '1', file]);
    const gone = await sm(['brain', 'export', '--output', file], { brain: filledBrain(1_500) });
    expect(gone).toMatchObject({ code: 0, err: '' });
    expect((await first).stdout.trimEnd().split('\n')).toHaveLength(1);

    const interruption = new AbortController();
    const unread = await sm(['brain', 'export', '--output', file], {
      brain: filledBrain(1),
      signal: interruption.signal,
      onWait: () => interruption.abort(),
    });
    expect(unread.code).toBe(130);
    expect(readdirSync(directory)).toEqual(['pipe']);
  });

  it.skipIf(process.platform !== 'linux')('[X19] a device is written to and not replaced', async () => {
    const file = join(directory, 'full');
    symlinkSync('/dev/full', file);
    const { code, err } = await sm(['brain', 'export', '--output', file, '--json'], { brain: filledBrain(1) });
    expect(code).toBe(7);
    expect(JSON.parse(err)).toMatchObject({ error: 'disk_full' });
    expect(statSync(file).isCharacterDevice()).toBe(true);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
  });

  it('[X16] markdown holds the active entries of this project, by kind', async () => {
    const brain = filledBrain(2);
    brain.put(entryOf({ entryId: idOf(7), kind: 'decision', title: 'A *decision*', tags: ['a`b'] }), uuid(50));
    brain.put(entryOf({ entryId: idOf(8), projectId: 'other', title: 'Elsewhere' }), uuid(51));
    brain.put(entryOf({ entryId: idOf(9), title: 'Gone', status: 'retracted' }), uuid(52));
    const { out } = await sm(['brain', 'export', '--format', 'markdown'], { brain });
    expect(out).toContain('## Decisions\n\n### A \\*decision\\*');
    expect(out).toContain('`` #a`b ``');
    expect(out).toContain('### Entry 1, mended');
    expect(out).not.toContain('Elsewhere');
    expect(out).not.toContain('Gone');
    expect((await sm(['brain', 'export', '--format', 'markdown', '--org'], { brain })).out).toContain('Elsewhere');
  });
});

describe('import', () => {
  it('[X17] every good line is imported, every bad one reported with its number, exit code 4', async () => {
    const lines = [
      Buffer.from('{"title":"one","created_at":"2025-10-14T21:43:06.864Z"}\n'),
      Buffer.from('not json\n\n'),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from('{"title":"","summary":""}\n'),
      Buffer.from('{"title":"two","kind":"adr"}\n'),
      Buffer.from(`{"title":"${'x'.repeat(LINE_BYTES_MAX)}"}\n`),
      Buffer.from('{"stackmemory":2}\n'),
      Buffer.from('{"title":"three"}'),
    ];
    const { code, json, brain } = await sm(['brain', 'import', '-', '--json'], { stdin: lines });
    expect(code).toBe(4);
    expect(json()).toMatchObject({ lines: 8, imported: 2, refusedCount: 6 });
    expect((json() as { refused: { line: number }[] }).refused.map(({ line }) => line)).toEqual([2, 4, 5, 6, 7, 8]);
    expect([...brain.entries.values()].map(({ title }) => title)).toEqual(['one', 'three']);
  });

  it('[X17] a line that only the brain refuses is found by halving, and the others are imported', async () => {
    class Picky extends FakeBrain {
      override async run<O extends Parameters<FakeBrain['run']>[0]>(operation: O, request: RequestOf<O>) {
        const { changes } = request as RequestOf<'import'>;
        if (changes.some(({ entry }) => (entry as { title: string }).title === 'n 13')) {
          throw new SmError({ code: 'conflict', message: 'Not this one.' });
        }
        return super.run(operation, request);
      }
    }
    const stdin = Array.from({ length: 40 }, (_, index) => `{"title":"n ${index + 1}"}`).join('\n');
    const { json } = await sm(['brain', 'import', '-', '--json'], { brain: new Picky(), stdin });
    expect(json()).toMatchObject({ imported: 39, refused: [{ line: 13, message: 'Not this one.' }] });
  });

  it('[X17] a failure of the brain itself ends the import with its own code', async () => {
    const brain = new FakeBrain();
    brain.failure = new SmError({ code: 'disk_full', message: 'full' });
    expect((await sm(['brain', 'import', '-'], { brain, stdin: '{"title":"x"}' })).code).toBe(7);
  });

  it('[X17] a file that is not there, or a directory, is said so', async () => {
    expect((await sm(['brain', 'import', join(directory, 'none')])).code).toBe(3);
    expect((await sm(['brain', 'import', directory])).code).toBe(2);
    expect((await sm(['brain', 'record', '--from', join(directory, 'none')])).code).toBe(3);
    expect(existsSync(join(directory, 'none'))).toBe(false);
  });

  it('[X18] importing a plain file twice, or with its keys in another order, changes nothing', async () => {
    const brain = new FakeBrain();
    const file = join(directory, 'records.jsonl');
    writeFileSync(file, '{"title":"a","kind":"note","tags":["x"]}\n{"title":"b"}\n{"title":"b"}\n');
    const first = await sm(['brain', 'import', file, '--json'], { brain });
    expect(first.json()).toMatchObject({ imported: 2, duplicate: 1 });
    expect(brain.lastRequest('import').origin).toBe('import:records.jsonl');
    writeFileSync(file, '{"kind":"note","tags":["x"],"title":"a"}\n{"title":"b"}\n');
    expect((await sm(['brain', 'import', file, '--json'], { brain })).json()).toMatchObject({
      imported: 0,
      duplicate: 2,
    });
  });
});
