/** A directory with those above it, or a failure at once. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkCanMake, makeDirectory } from '../../lib/scope/make-directory.ts';

let home: string;
const at = (...names: string[]): string => path.join(home, ...names);

beforeEach(() => {
  home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'sm-made-')));
});

afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

test('[W1] a directory is made with all those above it, each with the mode, and again it is there', () => {
  expect(makeDirectory(at('a', 'b', 'c'), 0o700)).toBe(at('a'));
  for (const made of [at('a'), at('a', 'b'), at('a', 'b', 'c')]) expect(fs.statSync(made).mode & 0o777).toBe(0o700);
  expect(makeDirectory(at('a', 'b', 'c'), 0o700)).toBeUndefined();
  expect(makeDirectory(at('a', 'b', 'd'), 0o700)).toBe(at('a', 'b', 'd'));
});

test('[W1] whether one could be made is told, and nothing is left of it', () => {
  checkCanMake(at('a', 'b'));
  checkCanMake(home);
  expect(fs.readdirSync(home)).toEqual([]);
});

test.each([
  ['a file', () => fs.writeFileSync(at('x'), ''), ['x', 'brain'], 'ENOTDIR'],
  ['a link that leads nowhere', () => fs.symlinkSync('nowhere', at('x')), ['x'], 'EEXIST'],
])('[W1] %s is in the way', (_what, obstruct, names, code) => {
  obstruct();
  for (const attempt of [() => makeDirectory(at(...names), 0o700), () => checkCanMake(at(...names))]) {
    expect(attempt).toThrow(expect.objectContaining({ code }));
  }
  expect(fs.readdirSync(home)).toEqual(['x']);
});

test.skipIf(process.platform !== 'linux')('[W1] a place that makes no directories is refused at once', () => {
  for (const attempt of [() => makeDirectory('/proc/x/brain', 0o700), () => checkCanMake('/proc/x/brain')]) {
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'no_permission', message: expect.stringContaining('/proc/x cannot be made') }),
    );
  }
});
