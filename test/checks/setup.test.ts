import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const setup = fileURLToPath(new URL('../../.scripts/setup.mjs', import.meta.url));
let clone: string;

beforeEach(() => {
  clone = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-setup-')));
  for (const directory of ['lib', 'bin', '.config', '.scripts', 'tools']) fs.mkdirSync(path.join(clone, directory));
  for (const file of ['lib/a.ts', 'bin/sm.ts', '.scripts/build.ts', '.config/tsconfig.types.json', 'package.json'])
    write(file, '');
  for (const file of ['tsconfig.json', 'package-lock.json']) write(file, '');
  fs.copyFileSync(setup, path.join(clone, '.scripts/setup.mjs'));
  // Stand-ins for npm and for the build, which do what set-up relies on.
  write(
    'tools/npm',
    '#!/bin/sh\necho added 1 package\nmkdir -p node_modules/tsx/dist && touch node_modules/.package-lock.json && cp tools/build.mjs node_modules/tsx/dist/cli.mjs\n',
  );
  fs.chmodSync(path.join(clone, 'tools/npm'), 0o755);
  write(
    'tools/build.mjs',
    `import fs from 'node:fs'; console.log('built'); fs.mkdirSync('dist/types/lib', { recursive: true });
     for (const name of ['sm.cjs', 'index.js', 'host.js', 'worker.js', 'types/lib/index.d.ts', 'template.tar.gz']) fs.writeFileSync('dist/' + name, '');`,
  );
});

afterEach(() => fs.rmSync(clone, { recursive: true, force: true }));

function write(file: string, text: string): void {
  fs.writeFileSync(path.join(clone, file), text);
}

function touchLater(file: string): void {
  const later = Date.now() / 1000 + 60;
  fs.utimesSync(path.join(clone, file), later, later);
}

/** What set-up says. It is talk: stdout is for what npm runs next. */
function runSetup(): string {
  const result = spawnSync(process.execPath, ['.scripts/setup.mjs'], {
    cwd: clone,
    env: { ...process.env, PATH: `${path.join(clone, 'tools')}${path.delimiter}${process.env['PATH'] ?? ''}` },
    encoding: 'utf8',
  });
  expect(result.stdout).toBe('');
  expect(result.status).toBe(0);
  return result.stderr;
}

it.skipIf(process.platform === 'win32')('[T3] set-up installs and builds a fresh clone, and then does nothing', () => {
  expect(runSetup()).toBe('Installing the dependencies …\nadded 1 package\nBuilding …\nbuilt\n');
  expect(runSetup()).toBe('');
});

it.skipIf(process.platform === 'win32')('[T3] set-up builds again when a source is newer than the build', () => {
  runSetup();
  touchLater('lib/a.ts');
  expect(runSetup()).toBe('Building …\nbuilt\n');
});

it.skipIf(process.platform === 'win32')(
  '[T3] set-up installs again when the lock file is newer than the installation',
  () => {
    runSetup();
    touchLater('package-lock.json');
    expect(runSetup()).toBe('Installing the dependencies …\nadded 1 package\n');
  },
);
