/**
 * The test projects: units in seconds, integration with real databases, end to end with real processes. A test file
 * that is in no folder named here is integration, so that none is left out.
 */
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

const UNIT = ['core', 'laws', 'scope', 'secrets', 'bin', 'checks'];
const END_TO_END = ['e2e', 'simulation'];
/** Has a configuration of its own. */
const BY_HAND = ['box', 'programs'];

const root = fileURLToPath(new URL('..', import.meta.url));
const testsIn = (folders: string[]): string[] => folders.map((name) => `test/${name}/**/*.test.ts`);

const shared = { setupFiles: ['test/support/fast-check.ts'], pool: 'forks' as const, environment: 'node' as const };

export default defineConfig({
  root,
  test: {
    // Two cores are what the smallest machine of a contributor has.
    maxWorkers: 2,
    projects: [
      { root, test: { ...shared, name: 'unit', include: testsIn(UNIT), testTimeout: 30_000 } },
      {
        root,
        test: {
          ...shared,
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...testsIn([...UNIT, ...END_TO_END, ...BY_HAND])],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        root,
        test: {
          ...shared,
          name: 'e2e',
          include: testsIn(END_TO_END),
          testTimeout: 240_000,
          hookTimeout: 120_000,
          // One file after another, when all else is done: these start processes of their own and load the machine.
          fileParallelism: false,
        },
      },
    ],
  },
});
