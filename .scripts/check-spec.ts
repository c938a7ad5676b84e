/** Fails where a rule has no test, a test names no rule, or a test is withheld from running. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareSpec } from './spec-ids.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = fs
  .readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'));
// A suite of cases that several files run is a test too.
const suites = fs
  .readdirSync(path.join(root, 'test/contract'), { encoding: 'utf8' })
  .filter((name) => name.endsWith('-contract.ts'))
  .map((name) => `contract/${name}`);
const tests = new Map(
  [...files, ...suites].map((name) => [`test/${name}`, fs.readFileSync(path.join(root, 'test', name), 'utf8')]),
);
const findings = compareSpec(fs.readFileSync(path.join(root, 'docs/SPEC.md'), 'utf8'), tests);

const complaints = [
  ...findings.untested.map((id) => `rule ${id} has no test`),
  ...findings.repeated.map((id) => `rule ${id} is there twice`),
  ...findings.unknown.map(({ id, file }) => `${file} proves ${id}, which is not a rule`),
  ...findings.untitled.map(({ file, line }) => `${file}:${line} has a test that names no rule`),
  ...findings.withheld.map(({ file, line }) => `${file}:${line} withholds a test`),
];
for (const complaint of complaints) console.error(`  ${complaint}`);
if (tests.size < 10) throw new Error(`only ${tests.size} test files were found: the check does not see the tests`);
process.exitCode = complaints.length > 0 ? 1 : 0;
