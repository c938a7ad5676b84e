/**
 * Makes a fresh clone ready, before `npm start` and `npm test`: installs the dependencies and builds, each only where
 * needed. Plain JavaScript without dependencies, since it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_NEEDED = [20, 19];
const SOURCES = [
  'bin',
  'portal',
  'server-stub',
  'lib',
  '.scripts/build',
  '.scripts/build.ts',
  '.config/tsconfig.types.json',
  'package.json',
  'tsconfig.json',
];
const PRODUCTS = ['sm.cjs', 'index.js', 'host.js', 'worker.js', 'types/lib/index.d.ts'];

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (name) => path.join(root, name);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NODE_NEEDED[0] || (major === NODE_NEEDED[0] && minor < NODE_NEEDED[1])) {
  console.error(
    `StackMemory needs Node ${NODE_NEEDED.join('.')} or newer, and this is ${process.versions.node}. ` +
      'Install a current one from https://nodejs.org and run the command again.',
  );
  process.exit(1);
}

if (modifiedMs(at('node_modules/.package-lock.json')) < modifiedMs(at('package-lock.json'))) {
  // What is needed to build and to test is needed here whatever NODE_ENV says.
  run('Installing the dependencies', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}
const built = Math.min(...PRODUCTS.map((name) => modifiedMs(at(`dist/${name}`))));
const hasTemplate = fs.existsSync(at('dist/template.tar.gz'));
if (!hasTemplate || built < Math.max(...SOURCES.map((name) => newestMs(at(name))))) {
  run('Building', process.execPath, [at('node_modules/tsx/dist/cli.mjs'), at('.scripts/build.ts')]);
}

function run(what, command, args) {
  // All of it is talk: stdout belongs to what is run after it, whose data may be piped.
  console.error(`${what} …`);
  // Windows finds npm only through a shell.
  const isBatch = process.platform === 'win32' && command === 'npm';
  const result = spawnSync(command, args, { cwd: root, stdio: ['inherit', process.stderr, 'inherit'], shell: isBatch });
  if (result.status === 0) return;
  console.error(`${what} failed (${result.error?.message ?? `exit code ${result.status ?? result.signal}`}).`);
  process.exit(1);
}

function modifiedMs(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Of a directory the time of its own change counts, too: a file was added or removed. */
function newestMs(place) {
  const stat = fs.statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...fs.readdirSync(place).map((name) => newestMs(path.join(place, name))));
}
