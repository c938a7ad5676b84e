/** `npm run test:box`: what needs root and Debian's own tools, run by hand and at a release. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: { include: ['test/box/**/*.test.ts'], fileParallelism: false },
});
