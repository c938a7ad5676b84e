/**
 * What is run by hand and at a release: `npm run test:box`, which needs root and Debian's own tools, and
 * `npm run test:programs`, which fetches a gigabyte of agents.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Packages are fetched and installed, on whatever machine there is. */
const PATIENCE_MS = 15 * 60_000;

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/box/**/*.test.ts', 'test/programs/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
  },
});
