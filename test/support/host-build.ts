/** Builds of the host and the library that say they are of another version, for the tests of upgrades. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { DIST_DIRECTORY } from './host-brain.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface OtherBuild {
  /** As `dist/` is. */
  directory: string;
  remove: () => void;
}

/** Bundles this tree as `version`; with `wire`, as one that speaks another language on the socket. */
export async function buildAs(version: string, { wire }: { wire?: number } = {}): Promise<OtherBuild> {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-build-'));
  const directory = path.join(home, 'dist');
  fs.mkdirSync(directory);
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(home, 'node_modules'));
  for (const name of ['migrations', 'template.tar.gz', 'secrets.cjs']) {
    fs.symlinkSync(path.join(DIST_DIRECTORY, name), path.join(directory, name));
  }
  await build({
    absWorkingDir: ROOT,
    entryPoints: { index: 'lib/index.ts', host: 'lib/host/main.ts', worker: 'lib/host/worker.ts' },
    outdir: directory,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['@electric-sql/*', 'fs-native-extensions'],
    define: { __SM_VERSION__: JSON.stringify(version) },
    banner: { js: 'import { createRequire as __cr } from "node:module"; const require = __cr(import.meta.url);' },
    logLevel: 'error',
    plugins: wire === undefined ? [] : [{ name: 'wire', setup: (setup) => replaceWire(setup, wire) }],
  });
  return { directory, remove: () => fs.rmSync(home, { recursive: true, force: true }) };
}

function replaceWire(setup: import('esbuild').PluginBuild, wire: number): void {
  setup.onLoad({ filter: /lib\/host\/frames\.ts$/ }, ({ path: file }) => {
    const source = fs.readFileSync(file, 'utf8');
    const contents = source.replace(/WIRE_VERSION = \d+/, `WIRE_VERSION = ${wire}`);
    if (contents === source) throw new Error('frames.ts has no WIRE_VERSION any more');
    return { contents, loader: 'ts' };
  });
}
