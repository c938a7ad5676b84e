/** `npm run bench [name …]`: runs the benchmarks, installing first what they compare against. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const BENCHMARKS = ['command', 'footprint', 'throughput', 'recall', 'vectors', 'sync', 'server', 'portal'];
const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !BENCHMARKS.includes(name));
if (unknown !== undefined) {
  console.error(`${unknown} is not a benchmark; there are ${BENCHMARKS.join(', ')}.`);
  process.exit(2);
}

if (!fs.existsSync(path.join(here, 'node_modules'))) {
  console.log('Installing the peers (better-sqlite3 compiles for a few minutes where no binary can be had) …');
  run('npm', ['ci', '--no-audit', '--no-fund'], here);
}
for (const name of chosen.length > 0 ? chosen : BENCHMARKS)
  run(process.execPath, [path.join(here, `${name}.mjs`)], here);

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}
