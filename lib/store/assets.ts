/**
 * Finds the files that are shipped beside the code: migrations, the template, the worker. The code runs from dist/,
 * from dist/chunks/ and, in tests, from its sources, and finds the same files from each.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const CANDIDATE_ROOTS = ['./', '../', '../../dist/'];

/** What the shipped CommonJS bundle `name` exports; it is run once in a process. @throws Error as `assetPath` */
export function loadBundle(name: string): unknown {
  return createRequire(import.meta.url)(assetPath(name));
}

/** Absolute path of the shipped file or directory `name`. @throws Error where the package is incomplete */
export function assetPath(name: string): string {
  for (const root of CANDIDATE_ROOTS) {
    const candidate = fileURLToPath(new URL(root + name, import.meta.url));
    if (fs.existsSync(candidate)) return candidate;
  }
  throw new Error(
    `${name} is missing from the installation; reinstall stackmemory, or run "npm run build" in a checkout`,
  );
}
