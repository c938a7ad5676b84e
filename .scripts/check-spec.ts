/** Fails where a rule has no test, a test names no rule, or a test is withheld from running. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareSpec } from './spec-ids.ts';

/** A check that does not find the tests finds no fault with them. */
const TEST_FILES_MIN = 10;

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (name: string): string => fs.readFileSync(path.join(root, name), 'utf8');
// Not only *.test.ts: a suite of cases that several test files run is a test too.
const files = fs
  .readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.split(path.sep).includes('node_modules'))
  .map((name) => path.join('test', name));
const findings = compareSpec(read('docs/SPEC.md'), new Map(files.map((name) => [name, read(name)])));

const complaints = [
  ...findings.untested.map((id) => `rule ${id} has no test`),
  ...findings.repeated.map((id) => `rule ${id} is there twice`),
  ...findings.unknown.map(({ id, file }) => `${file} proves ${id}, which is not a rule`),
  ...findings.untitled.map(({ file, line }) => `${file}:${line} has a test that names no rule`),
  ...findings.withheld.map(({ file, line }) => `${file}:${line} withholds a test`),
];
for (const complaint of complaints) console.error(`  ${complaint}`);
const testFiles = files.filter((name) => name.endsWith('.test.ts')).length;
if (testFiles < TEST_FILES_MIN) throw new Error(`only ${testFiles} test files were found: the tests are not seen`);
process.exitCode = complaints.length > 0 ? 1 : 0;
