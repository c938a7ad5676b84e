/** What counts as a test, told by the parser and not by the look of a line. */
import { expect, it } from 'vitest';
import { compareSpec, type SpecFindings } from '../../.scripts/spec-ids.ts';

const SPEC = '- **M1** one\n- **M2** two\n';

function compare(source: string): SpecFindings {
  return compareSpec(SPEC, new Map([['a.test.ts', source]]));
}

it.each([
  ['a condition with calls of its own', `it.skipIf(process.getuid() === 0)('[M1][M2] x', f);`],
  ['a test made once and used', `const t = test.extend({ a: 1 }); t('[M1] x', f); t.each([1])('[M2] y', f);`],
  ['a conditional test made once and used', `const t = it.runIf(isLinux(1)); t('[M1] x', f); t('[M2] y', f);`],
  ['a table over many lines', `it.each([\n  [call(1), 'it("x")'],\n])(\n  '[M1][M2] ' + name,\n  f,\n);`],
  ['a table as a template', 'it.each`a|b`("[M1][M2] x", f);'],
  ['a suite in a function', `export function suite2(make) { describe('x', () => { it('[M1] [M2] x', f); }); }`],
])('[T1] %s is a test', (_name, source) => {
  expect(compare(source)).toEqual({ untested: [], unknown: [], repeated: [], withheld: [], untitled: [] });
});

it.each([
  ['a comment', `// it('[M1] x', f)`],
  ['a text', `const s = "it('[M1] x', f)";`],
  ['a method of something else', `regexp.test('[M1] x'); model.it('[M2]');`],
  ['making a test', `const t = it.skipIf(a);`],
])('[T1] %s is no test', (_name, source) => {
  const { untested, untitled } = compare(source);
  expect({ untested, untitled }).toEqual({ untested: ['M1', 'M2'], untitled: [] });
});

it('[T1] a title that cannot be read names no rule', () => {
  expect(compare('it(title, f);').untitled).toEqual([{ file: 'a.test.ts', line: 1 }]);
});

it.each([
  ['options', `it('[M1] x', { skip: true }, f);`],
  ['its context', `it('[M1] x', (context) => { context.skip(); });`],
  ['its suite', `describe.skip('x', () => { it('[M1] x', f); });`],
  ['its maker', `const t = it.extend({}); t.only('[M1] x', f);`],
  ['a table', `it.only.each([1])('[M1] x', f);`],
])('[T2] a test withheld by %s is found', (_name, source) => {
  expect(compare(source).withheld).toEqual([{ file: 'a.test.ts', line: 1 }]);
});
