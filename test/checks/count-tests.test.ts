import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../.scripts/count-tests.mjs', import.meta.url));
const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const failed = { status: 'failed', assertionResults: [{ status: 'failed' }] };
const broken = { name: 'a.test.ts', status: 'failed', message: 'no such import', assertionResults: [] };
let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-count-'));
});

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** The lines printed for vitest's report and exit status. */
function count(report: string, status: number): string[] {
  const file = path.join(directory, 'report.json');
  fs.writeFileSync(file, report);
  const result = spawnSync(process.execPath, [script, file, String(status)], { encoding: 'utf8' });
  expect(result.stderr).toBe('');
  return result.stdout.trimEnd().split('\n');
}

function report(numFailedTests: number, ...testResults: object[]): string {
  return JSON.stringify({ numPassedTests: 7, numFailedTests, numPendingTests: 0, testResults });
}

it('[T6] passed and failed tests are counted', () => {
  expect(count(report(0, passed), 0)).toEqual(['7 passed, 0 failed']);
  expect(count(report(2, passed, failed), 1)).toEqual(['7 passed, 2 failed']);
});

it('[T6] a file that broke before its first test is named and counts as failed', () => {
  expect(count(report(1, failed, broken), 1)).toEqual(['a.test.ts failed: no such import', '7 passed, 2 failed']);
});

it('[T6] a run that ended badly is no success, whatever its tests say', () => {
  expect(count(report(0, passed), 1)).toEqual(['7 passed, 1 failed']);
  expect(count('', 1)).toEqual(['0 passed, 1 failed']);
});
