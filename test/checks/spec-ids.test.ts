import { expect, it } from 'vitest';
import { compareSpec } from '../../.scripts/spec-ids.ts';

const SPEC = '# Rules\n\n- **M1** one\n- **M2** two\n- **C1** three\n';
// Put together here, so that this file does not itself withhold a test.
const withheld = (how: string): string => ['it', how].join('.');

function compare(source: string, spec = SPEC): ReturnType<typeof compareSpec> {
  return compareSpec(spec, new Map([['a.test.ts', source]]));
}

it('[T1] a rule without a test is found', () => {
  expect(compare(`it('[M1] one', f); it("[M2][C1] both", f);`).untested).toEqual([]);
  expect(compare(`it('[M1] one', f);`).untested).toEqual(['M2', 'C1']);
});

it('[T1] a test that names an unknown rule, or none, is found', () => {
  const findings = compare(`it('[M9] what', f);\ntest('nothing [M1]', f);`);
  expect(findings.unknown).toEqual([{ id: 'M9', file: 'a.test.ts' }]);
  expect(findings.untitled).toEqual([{ file: 'a.test.ts', line: 2 }]);
});

it('[T1] a rule that is there twice is found', () => {
  expect(compare('', `${SPEC}- **M1** again\n`).repeated).toEqual(['M1']);
});

it('[T1] a table of cases, a conditional test and a title on the next line count as tests', () => {
  const source =
    "it.each([1, 2])('[M1] case %s', f);\nit.skipIf(isRoot)(\n  '[M2] …', f);\nit.runIf(a)(`[C1] ${x}`, f);";
  const findings = compare(source);
  expect(findings.untested).toEqual([]);
  expect(findings.untitled).toEqual([]);
});

it.each(['only', 'todo', 'skip', 'fails'])('[T2] a test withheld by .%s is found', (how) => {
  expect(compare(`${withheld(how)}('[M1] one', f);`).withheld).toEqual([{ file: 'a.test.ts', line: 1 }]);
});

it('[T2] a test that is left out only where the platform lacks something is not withheld', () => {
  expect(compare(`it.skipIf(isWindows)('[M1] one', f);`).withheld).toEqual([]);
});
