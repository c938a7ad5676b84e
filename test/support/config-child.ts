/**
 * A process that writes a configuration and kills itself at a given step, told by its environment: CHILD_FILE,
 * CHILD_CHANGES (a JSON array of changes, written one after another) and CHILD_KILL_AT (the number of the call into the
 * file system at which it dies; none: it goes on to the end and prints how many there were).
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { type AuthChange, writeAuth } from '../../lib/scope/config-file.ts';

const { CHILD_FILE = '', CHILD_CHANGES = '[]', CHILD_KILL_AT } = process.env;
const STEPS = [
  'mkdirSync',
  'openSync',
  'fchmodSync',
  'writeFileSync',
  'fsyncSync',
  'closeSync',
  'renameSync',
  'rmSync',
  'readdirSync',
] as const;
let steps = 0;

const methods = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
for (const name of STEPS) {
  const original = methods[name];
  if (original === undefined) throw new Error(`there is no ${name}`);
  methods[name] = (...args) => {
    steps += 1;
    if (steps === Number(CHILD_KILL_AT)) {
      // Half of what it was about to write, as a kill in the middle of it leaves.
      if (name === 'writeFileSync') fs.writeSync(args[0] as number, String(args[1]).slice(0, 20));
      process.kill(process.pid, 'SIGKILL');
    }
    return original(...args);
  };
}
syncBuiltinESMExports();

for (const change of JSON.parse(CHILD_CHANGES) as AuthChange[]) writeAuth(CHILD_FILE, change);
process.stdout.write(String(steps));
