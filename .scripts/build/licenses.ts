/** The licences of the packages that are bundled into dist/, as these licences ask of whoever ships a copy. */
import type { Metafile } from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';

const PACKAGE = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const LICENSE_FILE = /^licen[cs]e/i;

/** The text to ship. @throws where a bundled package has no licence to be found */
export function licensesOf(root: string, bundles: readonly Metafile[]): string {
  const directories = new Map<string, string>();
  for (const file of bundles.flatMap(({ inputs }) => Object.keys(inputs))) {
    const match = PACKAGE.exec(file);
    if (match?.[1] !== undefined) directories.set(match[1], path.join(root, match[0]));
  }
  const texts = [...directories.keys()].sort().map((name) => {
    const directory = directories.get(name) ?? '';
    const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')) as {
      version: string;
      license?: string;
    };
    const file = fs.readdirSync(directory).find((candidate) => LICENSE_FILE.test(candidate));
    if (file === undefined && manifest.license === undefined) throw new Error(`${name} has no licence`);
    const text = file === undefined ? '' : `\n\n${fs.readFileSync(path.join(directory, file), 'utf8').trim()}`;
    return `${name} ${manifest.version} (${manifest.license ?? 'see below'})${text}\n`;
  });
  return `StackMemory contains code of these packages.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
