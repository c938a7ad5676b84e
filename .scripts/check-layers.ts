/** Fails where an import goes against the layers of .config/layers.ts. */
import { fileURLToPath } from 'node:url';
import { findViolations } from './layers.ts';

const violations = await findViolations(fileURLToPath(new URL('..', import.meta.url)));
for (const violation of violations) console.error(`  ${violation}`);
process.exitCode = violations.length > 0 ? 1 : 0;
