/** What `sm upgrade` makes of npm's failures, with a stand-in for npm that says what the real one does. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { newestVersion } from '../../bin/npm.ts';

function withNpm(complaint: string): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-npm-'));
  const before = process.env['PATH'];
  fs.writeFileSync(path.join(directory, 'npm'), `#!/bin/sh\ncat >&2 <<'END'\n${complaint}\nEND\nexit 1\n`, {
    mode: 0o755,
  });
  process.env['PATH'] = `${directory}${path.delimiter}${before}`;
  onTestFinished(() => {
    process.env['PATH'] = before;
    fs.rmSync(directory, { recursive: true });
  });
}

it.skipIf(process.platform === 'win32').each([
  ['npm error code EACCES\nnpm error syscall rename', 'no_permission', 'This user may not write'],
  ['npm error code E404\nnpm error 404 Not Found', 'unavailable', 'does not have that version of stackmemory'],
  [
    'npm error code ETARGET\nnpm error notarget No matching version',
    'unavailable',
    'does not have that version of stackmemory',
  ],
  ['npm error code ENOTFOUND\nnpm error syscall getaddrinfo', 'unavailable', 'cannot be reached (ENOTFOUND)'],
  ['npm error FetchError\nnpm error   reason: connect ECONNREFUSED', 'unavailable', 'cannot be reached (ECONNREFUSED)'],
  ['npm error code EINTEGRITY\nnpm error sha512', 'unavailable', 'npm failed: code EINTEGRITY sha512'],
])('[B11] says why npm failed: %j', async (complaint, code, message) => {
  withNpm(complaint);
  await expect(newestVersion()).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
});
