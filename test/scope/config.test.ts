/** The user's config.json (lib/scope/config.ts). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SmError } from '../../lib/core/errors.ts';
import { loadConfig } from '../../lib/scope/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'stackmemory-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'config.json');
const SECRET = 'sk_live_c0ffee';

function load(content: string | Buffer): ReturnType<typeof loadConfig> {
  writeFileSync(file, content);
  return loadConfig(file);
}

function failure(content: string | Buffer): SmError {
  try {
    load(content);
  } catch (error) {
    if (error instanceof SmError) return error;
    throw error;
  }
  throw new Error(`accepted: ${String(content)}`);
}

test('[W3] a missing file is an empty configuration', () => {
  expect(loadConfig(join(directory, 'nowhere', 'config.json'))).toEqual({});
});

test('[W3] documented keys are read, and unknown ones are left in place', () => {
  const config = {
    auth: {
      apiKey: SECRET,
      apiUrl: 'HTTPS://sync.example.org/v1',
      projectId: 'app',
      workspaceId: 'acme',
      email: 'ada@example.org',
      later: [1],
    },
    host: { idleMs: 0 },
    sync: { auto: false },
    agent: 'claude',
    future: { deep: true },
  };
  expect(load(JSON.stringify(config))).toEqual(config);
});

test.each([
  ['{"auth":[]}', 'auth'],
  ['{"auth":null}', 'auth'],
  ['{"auth":{"apiKey":7}}', 'auth.apiKey'],
  ['{"auth":{"apiKey":"a\\nb"}}', 'auth.apiKey'],
  ['{"auth":{"apiUrl":"ftp://x"}}', 'auth.apiUrl'],
  ['{"auth":{"apiUrl":"https://"}}', 'auth.apiUrl'],
  ['{"auth":{"projectId":{}}}', 'auth.projectId'],
  ['{"auth":{"workspaceId":"a\\u0000b"}}', 'auth.workspaceId'],
  [`{"auth":{"workspaceId":"${'x'.repeat(129)}"}}`, 'auth.workspaceId'],
  ['{"auth":{"email":true}}', 'auth.email'],
  ['{"host":{"idleMs":"900000"}}', 'host.idleMs'],
  ['{"host":{"idleMs":-1}}', 'host.idleMs'],
  ['{"host":{"idleMs":1.5}}', 'host.idleMs'],
  ['{"host":{"idleMs":1e12}}', 'host.idleMs'],
  ['{"sync":true}', 'sync'],
  ['{"sync":{"auto":"yes"}}', 'sync.auto'],
  ['{"agent":1}', 'agent'],
  ['{"agent":" "}', 'agent'],
])('[W4] %s is refused, naming file, field and remedy', (content, field) => {
  const error = failure(content);
  expect(error).toMatchObject({ code: 'config_invalid', details: { file, field } });
  expect(error.message).toContain(file);
  expect(error.message).toContain(`"${field}"`);
  expect(error.hint).toContain(`Correct or remove "${field}"`);
});

test.each<[string, string | Buffer, string]>([
  ['an empty file', '', 'is empty'],
  ['half a file', '{"auth":{"apiKey":"', 'not valid JSON'],
  ['a trailing comma', '{\n"agent": "x",\n}', 'not valid JSON'],
  ['a list', '[]', 'one JSON object'],
  ['null', 'null', 'one JSON object'],
  ['a byte order mark', '\uFEFF{}', 'byte order mark'],
  ['UTF-16', Buffer.from('\uFEFF{}', 'utf16le'), 'not UTF-8'],
  ['Latin-1', Buffer.from('{"agent":"J\xfcrgen"}', 'latin1'), 'not UTF-8'],
  ['a huge file', Buffer.alloc(1024 * 1024 + 1, ' '), 'larger than'],
])('[W4] %s is refused, naming file and remedy', (_what, content, words) => {
  const error = failure(content);
  expect(error).toMatchObject({ code: 'config_invalid', details: { file } });
  expect(error.message).toContain(words);
  expect(error.hint).toContain(file);
});

test('[W4] what is not a readable file is refused without being opened', () => {
  const folder = join(directory, 'folder');
  mkdirSync(folder);
  expect(() => loadConfig(folder)).toThrow(/is a directory/);
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(() => loadConfig(pipe)).toThrow(/not a regular file/);
  const loop = join(directory, 'loop');
  symlinkSync(loop, loop);
  expect(() => loadConfig(loop)).toThrow(expect.objectContaining({ code: 'config_invalid', details: { file: loop } }));
  writeFileSync(file, '{}');
  expect(() => loadConfig(join(file, 'config.json'))).toThrow(/ENOTDIR/);
});

test('[W5] no failure repeats a value of the file, wherever it is broken', () => {
  const valid = JSON.stringify({
    auth: { apiKey: SECRET, projectId: SECRET, apiUrl: SECRET },
    agent: SECRET,
    host: { idleMs: SECRET },
  });
  fc.assert(
    fc.property(
      fc.nat(valid.length),
      fc.nat(8),
      fc.constantFrom('', '}', '"', ',', '\n', '\uFEFF', '1'),
      (at, cut, put) => {
        const error = failure(valid.slice(0, at) + put + valid.slice(at + cut));
        const shown = [JSON.stringify(error), String(error.stack), String(error.cause)].join('\n');
        expect(shown).not.toContain(SECRET);
        expect(shown).not.toContain('c0ffee');
      },
    ),
  );
});
