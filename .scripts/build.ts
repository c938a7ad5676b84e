/**
 * Makes dist/: the command line, the host, its worker, the library with its types, the migrations and the template of
 * a new brain. A warm build takes seconds; the template is made anew only when what goes into it has changed.
 * Usage: tsx .scripts/build.ts [--force]
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build, type BuildOptions } from 'esbuild';
import { buildTemplate } from '../lib/store/template.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.join(root, 'dist');
const template = path.join(dist, 'template.tar.gz');
const templateInputsFile = path.join(dist, '.template-inputs');

/** What the template depends on: whoever changes one of these gets another template. */
const TEMPLATE_INPUTS = ['template.ts', 'durable-fs.ts', 'pglite.ts', 'data-directory.ts', 'migrations'];

const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};

const shared: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: Object.keys(manifest.dependencies).flatMap((name) => [name, `${name}/*`]),
  define: { __SM_VERSION__: JSON.stringify(manifest.version) },
  legalComments: 'eof',
  logLevel: 'warning',
};

/**
 * The command is one CommonJS file: Node starts it in three quarters of the time that it takes for the same code as
 * ES modules (test/bench/start-up.mjs shows both).
 */
const command: BuildOptions = {
  ...shared,
  entryPoints: ['bin/sm.ts'],
  outfile: 'dist/sm.cjs',
  format: 'cjs',
  minify: true,
  define: { ...shared.define, 'import.meta.url': '__moduleUrl' },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
};

const modules: BuildOptions = {
  ...shared,
  entryPoints: {
    index: 'lib/index.ts',
    host: 'lib/host/main.ts',
    worker: 'lib/host/worker.ts',
  },
  outdir: 'dist',
  format: 'esm',
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};

async function main(): Promise<void> {
  const isForced = process.argv.includes('--force');
  fs.mkdirSync(dist, { recursive: true });
  for (const name of fs.readdirSync(dist)) {
    if (name !== path.basename(template) && name !== path.basename(templateInputsFile)) {
      fs.rmSync(path.join(dist, name), { recursive: true });
    }
  }
  fs.cpSync(path.join(root, 'lib/store/migrations'), path.join(dist, 'migrations'), { recursive: true });
  await Promise.all([build(command), build(modules), emitTypes(), ensureTemplate(isForced)]);
  fs.chmodSync(path.join(dist, 'sm.cjs'), 0o755);
  for (const name of ['sm.cjs', 'host.js', 'worker.js', 'index.js', 'template.tar.gz']) {
    console.log(`  dist/${name.padEnd(16)} ${Math.ceil(fs.statSync(path.join(dist, name)).size / 1024)} KiB`);
  }
}

async function emitTypes(): Promise<void> {
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', path.join(root, '.config/tsconfig.types.json')]);
}

async function ensureTemplate(isForced: boolean): Promise<void> {
  const inputs = hashTemplateInputs();
  const isCurrent =
    fs.existsSync(template) &&
    fs.existsSync(templateInputsFile) &&
    fs.readFileSync(templateInputsFile, 'utf8') === inputs;
  if (isCurrent && !isForced) return;
  console.log('  making the template of a new brain (about 10 s) …');
  await buildTemplate(template);
  fs.writeFileSync(templateInputsFile, inputs);
}

function hashTemplateInputs(): string {
  const hash = createHash('sha256').update(JSON.stringify(manifest.dependencies));
  for (const input of TEMPLATE_INPUTS) hashPath(hash, path.join(root, 'lib/store', input));
  return hash.digest('hex');
}

function hashPath(hash: ReturnType<typeof createHash>, place: string): void {
  if (!fs.statSync(place).isDirectory()) {
    hash.update(fs.readFileSync(place));
    return;
  }
  for (const name of fs.readdirSync(place).sort()) hashPath(hash, path.join(place, name));
}

await main();
