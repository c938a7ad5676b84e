/** An export that is cut short by a signal, as the command line is built and run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endProcessesOf } from '../support/host-brain.ts';
import { waitUntil } from '../support/host-wait.ts';

const program = fileURLToPath(new URL('../../dist/sm.cjs', import.meta.url));
/** 20 MB together, so that the export takes long enough to be met. */
const ENTRIES = 400;
const TEXT_CHARACTERS = 50_000;

let home: string;
let folder: string;

beforeAll(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-export-'));
  folder = path.join(home, 'folder');
  fs.mkdirSync(folder);
  const lines = Array.from({ length: ENTRIES }, (_, number) =>
    JSON.stringify({ title: `entry ${number}`, conclusion: 'word '.repeat(TEXT_CHARACTERS / 5) }),
  );
  fs.writeFileSync(path.join(home, 'lines.jsonl'), lines.join('\n'));
  const [code] = (await once(start('import', path.join(home, 'lines.jsonl')), 'exit')) as [number];
  expect(code).toBe(0);
});

afterAll(async () => {
  await endProcessesOf(home);
  fs.rmSync(home, { recursive: true, force: true });
});

function start(...words: string[]) {
  return spawn(process.execPath, [program, 'brain', ...words], {
    env: { ...process.env, STACKMEMORY_HOME: home },
    stdio: 'ignore',
  });
}

test.each([
  ['SIGINT', [130, null]],
  ['SIGTERM', [null, 'SIGTERM']],
  ['SIGHUP', [null, 'SIGHUP']],
] as const)('[X19] nothing is left of an export that %s cuts short', async (signal, ended) => {
  const file = path.join(folder, 'brain.jsonl');
  fs.writeFileSync(file, 'earlier');
  const child = start('export', '--output', file);
  const exited = once(child, 'exit');
  await waitUntil('the export to begin', () => fs.readdirSync(folder).length === 2);
  child.kill(signal);
  expect(await exited).toEqual(ended);
  expect(fs.readdirSync(folder)).toEqual(['brain.jsonl']);
  expect(fs.readFileSync(file, 'utf8')).toBe('earlier');
});
