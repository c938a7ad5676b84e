/** Finds the imports that go against the layers, and refuses to judge sources that the cruiser did not see. */
import { type ICruiseResult, cruise } from 'dependency-cruiser';
import fs from 'node:fs';
import path from 'node:path';
import { forbidden } from '../.config/layers.ts';

/** The folders that hold the program, as far as they exist. */
const FOLDERS = ['bin', 'portal', 'server-stub', 'lib'];

/**
 * The violations in the tree at `root`, as `rule: from -> to`.
 * @throws where a source was not seen, or no imports were: a cruiser that cannot read TypeScript finds no fault
 */
export async function findViolations(root: string): Promise<string[]> {
  const folders = FOLDERS.filter((folder) => fs.existsSync(path.join(root, folder)));
  const { output } = await cruise(folders, {
    baseDir: root,
    ruleSet: { forbidden },
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  });
  const { summary, modules } = output as ICruiseResult;
  const seen = new Set(modules.map(({ source }) => source));
  const unseen = folders.flatMap((folder) => sourcesIn(root, folder)).filter((source) => !seen.has(source));
  if (unseen.length > 0) throw new Error(`the cruiser did not see ${unseen.join(', ')}`);
  const imports = modules.flatMap(({ dependencies }) => dependencies).length;
  if (imports < seen.size / 2) throw new Error(`the cruiser saw only ${imports} imports in ${seen.size} modules`);
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from}${from === to ? '' : ` -> ${to}`}`);
}

function sourcesIn(root: string, folder: string): string[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')));
}
