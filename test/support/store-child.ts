/**
 * A process that opens a brain's directory and kills itself at a given step, told by its environment: CHILD_DIRECTORY,
 * CHILD_TASK (`create`, or `open`, which also migrates) and CHILD_KILL_AT (the number of the step; none: it goes on to
 * the end and prints how many steps and migrations there were). Bundled and started by store-children.ts.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { PGlite } from '@electric-sql/pglite';
import { dataDirectoryOf, ensureDataDirectory } from '../../lib/store/data-directory.ts';
import { openPgliteStore } from '../../lib/store/pglite.ts';

const { CHILD_DIRECTORY = '', CHILD_TASK, CHILD_KILL_AT } = process.env;
let steps = 0;
let migrationsRun = 0;

/** Counts a step, and does not come back from the fatal one. */
function step(): void {
  steps += 1;
  if (steps === Number(CHILD_KILL_AT)) process.kill(process.pid, 'SIGKILL');
}

type Method = (...args: unknown[]) => unknown;

/** Makes every call of these methods a step. */
function countCalls(owner: object, names: string[]): void {
  const methods = owner as Record<string, Method>;
  for (const name of names) {
    const original = methods[name];
    if (original === undefined) throw new Error(`there is no ${name}`);
    methods[name] = function (this: unknown, ...args: unknown[]): unknown {
      step();
      return original.apply(this, args);
    };
  }
}

if (CHILD_TASK === 'create') {
  countCalls(fs, ['mkdirSync', 'openSync', 'writeSync', 'fsync', 'fsyncSync', 'closeSync', 'renameSync']);
  syncBuiltinESMExports();
  await ensureDataDirectory(CHILD_DIRECTORY);
} else {
  // A statement is a step: everything between two of them is one call into PostgreSQL.
  countCalls(PGlite.prototype, ['execProtocolRaw']);
  const store = await openPgliteStore(dataDirectoryOf(CHILD_DIRECTORY));
  ({ migrationsRun } = store);
  await store.close();
}
process.stdout.write(JSON.stringify({ steps, migrationsRun }));
