/** The test projects: units in seconds, integration with real databases, end to end with real processes. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const folders = (...names: string[]): string[] => names.map((name) => `test/${name}/**/*.test.ts`);

const shared = { setupFiles: ['test/support/fast-check.ts'], pool: 'forks' as const, environment: 'node' as const };

export default defineConfig({
  root,
  test: {
    // Two cores are what the smallest machine of a contributor has.
    maxWorkers: 2,
    projects: [
      {
        root,
        test: {
          ...shared,
          name: 'unit',
          include: folders('core', 'laws', 'scope', 'bin', 'checks'),
          testTimeout: 30_000,
        },
      },
      {
        root,
        test: {
          ...shared,
          name: 'integration',
          include: folders('store', 'contract', 'brain', 'recall', 'host'),
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        root,
        test: {
          ...shared,
          name: 'e2e',
          include: folders('e2e', 'simulation'),
          testTimeout: 240_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
