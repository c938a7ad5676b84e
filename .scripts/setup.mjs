/**
 * Makes a fresh clone ready, before `npm start` and `npm test`: installs the dependencies and builds, each only where
 * needed. Plain JavaScript without dependencies, since it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_NEEDED = [20, 19];
const SOURCES = ['lib', 'bin', '.scripts/build.ts', '.config/tsconfig.types.json', 'package.json', 'tsconfig.json'];

const PRODUCTS = ['sm.cjs', 'index.js', 'host.js', 'worker.js', 'types/lib/index.d.ts'];

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (name) => path.join(root, name);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor < NODE_NEEDED[1])) {
  console.error(`StackMemory needs Node ${NODE_NEEDED.join('.')} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

if (modifiedMs(at('node_modules/.package-lock.json')) < modifiedMs(at('package-lock.json'))) {
  run('Installing the dependencies', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}
const built = Math.min(...PRODUCTS.map((name) => modifiedMs(at(`dist/${name}`))));
const hasTemplate = fs.existsSync(at('dist/template.tar.gz'));
if (!hasTemplate || built < Math.max(...SOURCES.map((name) => newestMs(at(name))))) {
  run('Building', process.execPath, [at('node_modules/tsx/dist/cli.mjs'), at('.scripts/build.ts')]);
}

function run(what, command, args) {
  console.log(`${what} …`);
  // Windows finds npm only through a shell.
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status === 0) return;
  console.error(`${what} failed (${result.error?.message ?? `exit code ${result.status}`}).`);
  process.exit(1);
}

function modifiedMs(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function newestMs(place) {
  const stat = fs.statSync(place);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...fs.readdirSync(place).map((name) => newestMs(path.join(place, name))));
}
