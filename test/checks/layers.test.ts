import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findViolations } from '../../.scripts/layers.ts';

let tree: string;

beforeEach(() => {
  tree = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-layers-')));
  for (const name of ['fs-native-extensions', '@electric-sql/pglite', 'fast-check']) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }));
    write(`node_modules/${name}/index.js`, 'module.exports = {};');
  }
  // What follows is judged beside a part that is in order.
  write('lib/core/a.ts', `export const a = 1;`);
  write('lib/store/b.ts', `import { a } from '../core/a.ts'; export const b = a;`);
});

afterEach(() => fs.rmSync(tree, { recursive: true, force: true }));

function write(file: string, source: string): void {
  fs.mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
  fs.writeFileSync(path.join(tree, file), source);
}

it('[T4] imports that go down are in order', async () => {
  write('bin/sm.ts', `import type { c } from '../lib/host/c.ts'; export type C = typeof c;`);
  write(
    'lib/host/c.ts',
    `import { b } from '../store/b.ts'; import { s } from '../scope/s.ts'; export const c = [b, s];`,
  );
  write('lib/scope/s.ts', `import fs from 'node:fs'; import { a } from '../core/a.ts'; export const s = [fs, a];`);
  expect(await findViolations(tree)).toEqual([]);
});

it.each([
  ['lib/store/x.ts', `import { c } from '../host/c.ts'; export const x = c;`, 'nothing-above-store'],
  ['lib/store/x.ts', `import type { c } from '../host/c.ts'; export type X = typeof c;`, 'nothing-above-store'],
  ['lib/host/x.ts', `import { p } from '../../portal/p.ts'; export const x = p;`, 'nothing-above-host'],
  ['lib/sync/x.ts', `import { c } from '../host/c.ts'; export const x = c;`, 'nothing-above-sync'],
  ['lib/core/x.ts', `import fs from 'node:fs'; export const x = fs;`, 'core-is-pure'],
  ['lib/core/x.ts', `import fc from 'fast-check'; export const x = fc;`, 'core-is-pure'],
  ['lib/scope/x.ts', `import { b } from '../store/b.ts'; export const x = b;`, 'scope-knows-core-only'],
  ['lib/brain/x.ts', `import { s } from '../scope/s.ts'; export const x = s;`, 'scope-is-asked-at-the-rim'],
  ['bin/x.ts', `import { b } from '../lib/store/b.ts'; export const x = b;`, 'commands-go-through-the-host'],
  ['lib/host/x.ts', `import l from 'fs-native-extensions'; export const x = l;`, 'one-importer-of-locks'],
  [
    'lib/host/x.ts',
    `import { PGlite } from '@electric-sql/pglite'; export const x = PGlite;`,
    'one-room-for-the-database',
  ],
  ['lib/nowhere/x.ts', `import { a } from '../core/a.ts'; export const x = a;`, 'a-layer-for-everything'],
  ['lib/core/x.ts', `import { x as y } from './y.ts'; export const x = y;`, 'no-cycles'],
  ['lib/core/x.ts', `export const x = 1;`, 'no-orphans'],
  ['lib/store/x.ts', `import { x as y } from './missing.ts'; export const x = y;`, 'resolvable'],
])('[T4] %s may not hold %s', async (file, source, rule) => {
  write('portal/p.ts', `import { a } from '../lib/core/a.ts'; export const p = a;`);
  write('lib/host/c.ts', `import { b } from '../store/b.ts'; export const c = b;`);
  write('lib/scope/s.ts', `import { a } from '../core/a.ts'; export const s = a;`);
  if (rule === 'no-cycles') write('lib/core/y.ts', `import { x } from './x.ts'; export const y = x;`);
  write(file, source);
  const rules = (await findViolations(tree)).map((violation) => violation.split(':')[0]);
  expect(rules).toContain(rule);
});

it('[T5] a source that the layering check does not see is an error', async () => {
  // The cruiser does not look into folders of this name.
  write('lib/store/node_modules/unseen.ts', `export const x = 1;`);
  await expect(findViolations(tree)).rejects.toThrow('did not see lib/store/node_modules/unseen.ts');
});

it('[T5] sources without any imports are an error', async () => {
  write('lib/store/b.ts', `export const b = 1;`);
  await expect(findViolations(tree)).rejects.toThrow('saw only 0 imports');
});
