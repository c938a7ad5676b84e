/**
 * Makes dist/: the command line, the host, its worker, the library with its types, the migrations and the template of
 * a new brain. Everything is made beside its place and moved there at the end, so that a failed build changes nothing
 * and a command that runs meanwhile meets no half of one.
 * Usage: tsx .scripts/build.ts [--force]   (--force makes the template anew, too)
 */
import { build, type BuildOptions } from 'esbuild';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { licensesOf } from './build/licenses.ts';
import { buildPage } from './build/page.ts';
import { provideTemplate } from './build/template.ts';
import { emitTypes } from './build/types.ts';

const STAGING_PREFIX = '.next-';
/** A build takes seconds: what is older was left behind by one that was killed. */
const STAGING_AGE_MAX_MS = 600_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.join(root, 'dist');
const staging = path.join(dist, `${STAGING_PREFIX}${process.pid}`);

const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
};
const installed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: installed.flatMap((name) => [name, `${name}/*`]),
  define: { __SM_VERSION__: JSON.stringify(manifest.version) },
  legalComments: 'eof',
  logLevel: 'warning',
  metafile: true,
} as const satisfies BuildOptions;

/**
 * The command is one CommonJS file: Node starts it in three quarters of the time that it takes for the same code as
 * ES modules. sm.cjs runs it from V8's compiled form, see bin/launch.ts.
 */
const command = {
  ...shared,
  entryPoints: ['bin/sm.ts'],
  outfile: path.join(staging, 'command.cjs'),
  format: 'cjs',
  minify: true,
  define: { ...shared.define, 'import.meta.url': '__moduleUrl' },
  banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
} as const satisfies BuildOptions;

const launcher = {
  ...shared,
  entryPoints: ['bin/launch.ts'],
  outfile: path.join(staging, 'sm.cjs'),
  format: 'cjs',
  minify: true,
  banner: { js: '#!/usr/bin/env node' },
} as const satisfies BuildOptions;

const modules = {
  ...shared,
  entryPoints: {
    index: 'lib/index.ts',
    host: 'lib/host/main.ts',
    worker: 'lib/host/worker.ts',
    reader: 'lib/server/reader-worker.ts',
  },
  outdir: staging,
  format: 'esm',
} as const satisfies BuildOptions;

/** The sync server, CommonJS like the command that loads it. What is external here is installed, or never asked for. */
const server = {
  ...shared,
  entryPoints: ['lib/server/main.ts'],
  outfile: path.join(staging, 'server.cjs'),
  format: 'cjs',
  external: [...shared.external, 'pg-native'],
  define: command.define,
  banner: command.banner,
} as const satisfies BuildOptions;

/** The portal, likewise. ws would take two compiled helpers if they were there. */
const portal = {
  ...server,
  entryPoints: ['portal/main.ts'],
  outfile: path.join(staging, 'portal.cjs'),
  external: [...shared.external, 'bufferutil', 'utf-8-validate'],
} as const satisfies BuildOptions;

/** Alone, because only who packs a context loads it. */
const tokenizer = {
  ...server,
  entryPoints: ['lib/recall/tokenizer.ts'],
  outfile: path.join(staging, 'tokenizer.cjs'),
  minify: true,
} as const satisfies BuildOptions;

/** Alone, because only what stores or sends text loads it. */
const secrets = {
  ...tokenizer,
  entryPoints: ['lib/secrets/scanner.ts'],
  outfile: path.join(staging, 'secrets.cjs'),
} as const satisfies BuildOptions;

/** Alone, because only who serves an agent loads it. */
const mcp = {
  ...server,
  entryPoints: ['lib/mcp/main.ts'],
  outfile: path.join(staging, 'mcp.cjs'),
  minify: true,
} as const satisfies BuildOptions;

/** Alone, likewise: for `sm setup`. The editor of JSON is bundled from its modules; its other form finds its parts at run time. */
const agents = {
  ...mcp,
  entryPoints: ['lib/agents/main.ts'],
  outfile: path.join(staging, 'agents.cjs'),
  mainFields: ['module', 'main'],
} as const satisfies BuildOptions;

async function main(): Promise<void> {
  const startedMs = Date.now();
  const isForced = process.argv.includes('--force');
  removeLeftovers();
  fs.mkdirSync(staging, { recursive: true });
  try {
    fs.cpSync(path.join(root, 'lib/store/migrations'), path.join(staging, 'migrations'), { recursive: true });
    fs.cpSync(path.join(root, 'lib/server/migrations'), path.join(staging, 'server-migrations'), { recursive: true });
    const bundles = [
      build(command),
      build(modules),
      build(server),
      build(portal),
      build(tokenizer),
      build(secrets),
      build(mcp),
      build(agents),
      buildPage(root, path.join(staging, 'portal')),
    ];
    // All are awaited even where one fails: none may go on writing into a directory that is being removed.
    const steps = await Promise.allSettled([
      ...bundles,
      emitTypes(root, path.join(staging, 'types'), installed),
      provideTemplate({ root, last: dist, target: staging }, manifest.dependencies, isForced),
    ]);
    const failures = steps.flatMap((step) => (step.status === 'rejected' ? [step.reason as unknown] : []));
    if (failures.length > 0) throw new AggregateError(failures);
    const metafiles = (await Promise.all(bundles)).map(({ metafile }) => metafile);
    fs.writeFileSync(path.join(staging, 'THIRD-PARTY-LICENSES.txt'), licensesOf(root, metafiles));
    const buildHash = createHash('sha256').update(fs.readFileSync(command.outfile)).digest('hex').slice(0, 16);
    await build({ ...launcher, define: { __SM_BUILD__: JSON.stringify(buildHash) } });
    fs.chmodSync(path.join(staging, 'sm.cjs'), 0o755);
    publish(startedMs);
  } finally {
    fs.rmSync(staging, { recursive: true, force: true });
  }
  for (const name of [
    'sm.cjs',
    'command.cjs',
    'host.js',
    'worker.js',
    'reader.js',
    'index.js',
    'server.cjs',
    'portal.cjs',
    'tokenizer.cjs',
    'secrets.cjs',
    'mcp.cjs',
    'agents.cjs',
    'template.tar.gz',
  ]) {
    console.log(`  dist/${name.padEnd(16)} ${Math.ceil(fs.statSync(path.join(dist, name)).size / 1024)} KiB`);
  }
  console.log(`  built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

/**
 * Moves what was made into dist/, and removes what is no longer made. Everything gets the time at which the build
 * began: a source that was saved meanwhile is newer, and the next set-up builds again.
 */
function publish(startedMs: number): void {
  const made = fs.readdirSync(staging);
  for (const name of fs.readdirSync(staging, { recursive: true, encoding: 'utf8' })) {
    fs.utimesSync(path.join(staging, name), startedMs / 1000, startedMs / 1000);
  }
  for (const name of made) {
    const target = path.join(dist, name);
    // A file is replaced in one step; a directory cannot be.
    if (fs.statSync(path.join(staging, name)).isDirectory()) fs.rmSync(target, { recursive: true, force: true });
    fs.renameSync(path.join(staging, name), target);
  }
  for (const name of fs.readdirSync(dist)) {
    if (!made.includes(name) && !name.startsWith(STAGING_PREFIX)) fs.rmSync(path.join(dist, name), { recursive: true });
  }
}

function removeLeftovers(): void {
  fs.mkdirSync(dist, { recursive: true });
  for (const name of fs.readdirSync(dist).filter((candidate) => candidate.startsWith(STAGING_PREFIX))) {
    const place = path.join(dist, name);
    if (Date.now() - fs.statSync(place).mtimeMs > STAGING_AGE_MAX_MS)
      fs.rmSync(place, { recursive: true, force: true });
  }
}

await main().catch((error: unknown) => {
  for (const failure of error instanceof AggregateError ? (error.errors as unknown[]) : [error]) {
    console.error(failure instanceof Error ? failure.message : failure);
  }
  process.exitCode = 1;
});
