/**
 * Prints the closing line of a test run, `N passed, N failed`, from vitest's JSON report.
 * Usage: node .scripts/count-tests.mjs REPORT EXIT_STATUS_OF_VITEST
 */
import fs from 'node:fs';

const [reportFile, status] = process.argv.slice(2);
const text = fs.readFileSync(reportFile, 'utf8');
// Vitest writes no report where it did not come to run a test.
const report =
  text === '' ? { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] } : JSON.parse(text);

// A file that fails before its first test is one failure; the report does not count it.
const broken = report.testResults.filter(
  ({ status: outcome, assertionResults }) =>
    outcome === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
);
for (const { name, message } of broken) console.log(`${name} failed: ${message}`);
if (report.numPendingTests > 0) console.log(`left out on this machine: ${report.numPendingTests}`);

const failed = report.numFailedTests + broken.length;
// A run can end badly with all tests well, as after an error outside of them.
console.log(`${report.numPassedTests} passed, ${failed === 0 && status !== '0' ? 1 : failed} failed`);
