/** `npm run check`: types, lint, format, layering, dead code, spec ids, in this order, with a verdict each. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const CHECKS: [name: string, command: string, ...args: string[]][] = [
  ['types', 'tsc', '-p', '.'],
  [
    'lint',
    'oxlint',
    '--type-aware',
    '-c',
    '.config/oxlintrc.json',
    '--deny-warnings',
    'lib',
    'bin',
    'test',
    '.scripts',
  ],
  ['format', 'prettier', '--check', '--log-level', 'warn', '.'],
  ['layering', 'tsx', '.scripts/check-layers.ts'],
  ['dead code', 'knip', '-c', '.config/knip.json'],
  ['spec ids', 'tsx', '.scripts/check-spec.ts'],
];

let failures = 0;
for (const [name, command, ...args] of CHECKS) {
  const started = performance.now();
  const result = spawnSync('npx', ['--no-install', command, ...args], { cwd: root, encoding: 'utf8' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const isFine = result.status === 0;
  console.log(`${isFine ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
  if (!isFine) {
    failures += 1;
    process.stdout.write(result.stdout + result.stderr);
  }
}
process.exitCode = failures > 0 ? 1 : 0;
