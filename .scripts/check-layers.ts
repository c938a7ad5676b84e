/** Fails where an import goes against the layers of .config/dependency-cruiser.json, or the cruiser saw nothing. */
import { type ICruiseResult, cruise } from 'dependency-cruiser';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A cruiser that cannot read TypeScript sees no modules and finds no fault. */
const MODULES_MIN = 60;

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const rules = JSON.parse(fs.readFileSync('.config/dependency-cruiser.json', 'utf8')) as Record<string, unknown>;
const { output } = await cruise(['lib', 'bin'], {
  ruleSet: rules,
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
for (const { rule, from, to } of summary.violations) console.error(`  ${rule.name}: ${from} -> ${to}`);
const seen = modules.filter(({ source }) => source.endsWith('.ts') && !source.startsWith('node_modules')).length;
if (seen < MODULES_MIN) throw new Error(`only ${seen} modules were seen`);
process.exitCode = summary.violations.length > 0 ? 1 : 0;
