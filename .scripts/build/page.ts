/**
 * The portal's page: bundled, named by its contents so that a browser may keep it for ever, and packed. Fails where the
 * page with the terminal is larger than it may be, since it is loaded over a phone's network.
 */
import { build, type Metafile } from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

const TARGETS = ['chrome111', 'firefox113', 'safari16.4'];
/** All that a browser loads, gzipped. */
const PAGE_BYTES_MAX = 250_000;
const PACKED = new Set(['.js', '.css', '.html', '.svg', '.webmanifest']);

export async function buildPage(root: string, target: string): Promise<{ metafile: Metafile }> {
  const source = path.join(root, 'portal/page');
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: 'portal/page/main.ts', brain: 'portal/page/brain.ts', enter: 'portal/page/enter.ts' },
    outdir: target,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: TARGETS,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  await build({
    absWorkingDir: root,
    entryPoints: { 'push-worker': 'portal/worker/push-worker.ts' },
    // A service worker is found by its name, and cannot be told another.
    ...{ outdir: target, bundle: true, minify: true, format: 'iife', platform: 'browser', target: TARGETS },
    ...{ legalComments: 'none', logLevel: 'warning' },
  });
  const made = Object.keys(result.metafile.outputs).map((file) => path.basename(file));
  for (const name of fs.readdirSync(source)) {
    const extension = path.extname(name);
    if (extension === '.html') {
      const html = fs.readFileSync(path.join(source, name), 'utf8');
      fs.writeFileSync(
        path.join(target, name),
        html.replaceAll(/%(\w+)\.(\w+)%/g, (_whole, stem: string, type: string) => {
          const file = made.find((candidate) => candidate.startsWith(`${stem}-`) && candidate.endsWith(`.${type}`));
          if (file === undefined) throw new Error(`${name} names ${stem}.${type}, which was not made`);
          return `/${file}`;
        }),
      );
    } else if (['.svg', '.png', '.webmanifest'].includes(extension)) {
      fs.copyFileSync(path.join(source, name), path.join(target, name));
    }
  }
  const bytes = pack(target);
  if (bytes > PAGE_BYTES_MAX) throw new Error(`the page is ${bytes} bytes gzipped, and may be ${PAGE_BYTES_MAX}`);
  return { metafile: result.metafile };
}

/** Gives what a first visit transfers. */
function pack(target: string): number {
  let bytes = 0;
  for (const name of fs.readdirSync(target)) {
    const file = path.join(target, name);
    const body = fs.readFileSync(file);
    const packed = PACKED.has(path.extname(name)) ? gzipSync(body, { level: 9 }) : undefined;
    if (packed !== undefined) fs.writeFileSync(`${file}.gz`, packed);
    if (!/^(?:login|notice|enter)|\.png$/.test(name)) bytes += (packed ?? body).length;
  }
  return bytes;
}
