/** The template of a new brain: taken over from the last build, or made anew where what goes into it has changed. */
import { createHash, type Hash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { buildTemplate } from '../../lib/store/template.ts';

const TEMPLATE = 'template.tar.gz';
const INPUTS = '.template-inputs';

/** What the template depends on beside the installed packages: a change of one of these makes another template. */
const SOURCES = ['template.ts', 'durable-fs.ts', 'pglite.ts', 'data-directory.ts', 'migrate.ts', 'migrations'];

/** Puts the template, and the hash of what it was made from, into `target`. */
export async function provideTemplate(
  { root, last, target }: { root: string; last: string; target: string },
  dependencies: Readonly<Record<string, string>>,
  isForced: boolean,
): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify(dependencies));
  for (const source of SOURCES) hashPath(hash, path.join(root, 'lib/store', source));
  const inputs = hash.digest('hex');
  if (!isForced && isMadeFrom(inputs, last)) {
    fs.copyFileSync(path.join(last, TEMPLATE), path.join(target, TEMPLATE));
  } else {
    console.log('  making the template of a new brain (about 10 s) …');
    await buildTemplate(path.join(target, TEMPLATE));
  }
  fs.writeFileSync(path.join(target, INPUTS), inputs);
}

function isMadeFrom(inputs: string, directory: string): boolean {
  const [template, made] = [TEMPLATE, INPUTS].map((name) => path.join(directory, name)) as [string, string];
  return fs.existsSync(template) && fs.existsSync(made) && fs.readFileSync(made, 'utf8') === inputs;
}

function hashPath(hash: Hash, place: string): void {
  if (!fs.statSync(place).isDirectory()) {
    hash.update(path.basename(place)).update(fs.readFileSync(place));
    return;
  }
  for (const name of fs.readdirSync(place).sort()) hashPath(hash, path.join(place, name));
}
