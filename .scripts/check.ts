/**
 * `npm run check`: types, lint, format, layering, dead code, spec ids, in this order, with a verdict each. Goes on after
 * a failure, so that one run tells everything. `npm run check -- lint` runs only the checks whose names are given.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tools = path.join(root, 'node_modules/.bin');
/** What a tool may print; past it the tool is stopped and its check fails. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

const CHECKS: [name: string, tool: string, ...args: string[]][] = [
  ['types', 'tsc', '-p', '.config/tsconfig.check.json'],
  // Runs in browsers, and so with other types.
  ['types of the page', 'tsc', '-p', 'portal/page/tsconfig.json'],
  ['types of the worker', 'tsc', '-p', 'portal/worker/tsconfig.json'],
  ['lint', 'oxlint', '--type-aware', '-c', '.config/oxlintrc.json', '--deny-warnings', '.', '.config', '.scripts'],
  ['format', 'prettier', '--check', '--cache', '--cache-strategy', 'content', '--log-level', 'warn', '.'],
  ['layering', 'tsx', '.scripts/check-layers.ts'],
  ['dead code', 'knip', '-c', '.config/knip.json'],
  ['spec ids', 'tsx', '.scripts/check-spec.ts'],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CHECKS.some(([known]) => known === name));
if (unknown.length > 0) {
  throw new Error(`there is no check ${unknown.join(', ')}; there are ${CHECKS.map(([name]) => name).join(', ')}`);
}

for (const [name, tool, ...args] of CHECKS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startedMs = performance.now();
  const result = spawnSync(path.join(tools, tool), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
    // On Windows the tools are batch files.
    shell: process.platform === 'win32',
  });
  const isFine = result.status === 0;
  console.log(`${isFine ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  if (isFine) continue;
  process.exitCode = 1;
  console.log([result.error?.message, result.stdout, result.stderr].filter(Boolean).join('\n'));
}
