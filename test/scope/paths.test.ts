/** Where the user's files live (lib/scope/paths.ts). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { brainPaths, currentDirectory } from '../../lib/scope/paths.ts';

const HOME = '/home/ada';

test('[W1] everything lives under ~/.stackmemory unless STACKMEMORY_HOME says otherwise', () => {
  expect(brainPaths({}, HOME)).toEqual({
    home: '/home/ada/.stackmemory',
    configFile: '/home/ada/.stackmemory/config.json',
    brainDirectory: '/home/ada/.stackmemory/brain',
  });
  expect(brainPaths({ STACKMEMORY_HOME: '/srv/brain/' }, HOME).configFile).toBe('/srv/brain/config.json');
});

test('[W1] a relative STACKMEMORY_HOME starts from the working directory, and ~ is the home directory', () => {
  const workingDirectory = (): string => '/work';
  expect(brainPaths({ STACKMEMORY_HOME: 'a/../b' }, HOME, workingDirectory).home).toBe('/work/b');
  expect(brainPaths({ STACKMEMORY_HOME: 'b' }, HOME).home).toBe(join(process.cwd(), 'b'));
  expect(brainPaths({ STACKMEMORY_HOME: '~/b' }, HOME).home).toBe('/home/ada/b');
  expect(brainPaths({ STACKMEMORY_HOME: '~' }, HOME).home).toBe('/home/ada');
});

test.each([[''], ['  '], ['/a\0b']])('[W1] STACKMEMORY_HOME %j is refused with a remedy', (value) => {
  expect(() => brainPaths({ STACKMEMORY_HOME: value }, HOME)).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.stringContaining('absolute path') }),
  );
});

test('[W1] an unknown home directory is an error only where it is needed', () => {
  const unknown = (): string => {
    throw new Error('no such user');
  };
  for (const home of ['', 'relative', unknown]) {
    expect(() => brainPaths({}, home)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    expect(brainPaths({ STACKMEMORY_HOME: '/srv/brain' }, home).home).toBe('/srv/brain');
  }
});

test('[W2] a deleted working directory is a clear error', () => {
  const before = process.cwd();
  expect(currentDirectory()).toBe(before);
  const gone = mkdtempSync(join(tmpdir(), 'stackmemory-gone-'));
  try {
    process.chdir(gone);
    // Not asked before the removal: Node remembers the answer until the next chdir.
    rmSync(gone, { recursive: true });
    expect(() => currentDirectory()).toThrow(
      expect.objectContaining({ code: 'bad_request', hint: expect.stringContaining('cd') }),
    );
    expect(() => brainPaths({ STACKMEMORY_HOME: 'b' }, HOME)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(brainPaths({}, HOME).home).toBe('/home/ada/.stackmemory');
  } finally {
    process.chdir(before);
  }
});
