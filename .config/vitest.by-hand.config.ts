/**
 * What is run by hand and at a release: `npm run test:box`, which needs root and Debian's own tools, and
 * `npm run test:programs`, which fetches a gigabyte of agents.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Packages are fetched and installed, on whatever machine there is. */
const PATIENCE_MS = 15 * 60_000;

const root = fileURLToPath(new URL('..', import.meta.url));

export default defineConfig({
  root,
  test: {
    fileParallelism: false,
    projects: ['box', 'programs'].map((name) => ({
      root,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: PATIENCE_MS,
        hookTimeout: PATIENCE_MS,
      },
    })),
  },
});
