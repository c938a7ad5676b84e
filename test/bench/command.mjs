/** Whole-process time of `sm brain record` and `recall` with a warm host, against `node -e 0` and SQLite. */
import path from 'node:path';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brainEnvironment, inTurn, printRatios, program, sm, temporaryDirectory, timeProcess } from './measure.mjs';

const rounds = Number(process.env.ROUNDS ?? 25);
const directory = temporaryDirectory();
const sqlite = fileURLToPath(new URL('sqlite.mjs', import.meta.url));
const file = path.join(directory, 'peer.db');
const env = brainEnvironment(directory);
const RECORD = [
  'brain',
  'record',
  '--title',
  'Retries need jitter',
  '--conclusion',
  'Full jitter ended it.',
  '--tags',
  'net',
];

try {
  for (let count = 0; count < 20; count += 1) sm(directory, ...RECORD);
  const times = inTurn(
    {
      'node -e 0': () => timeProcess(['-e', '0']),
      'SQLite record': () => timeProcess([sqlite, file, 'record']),
      'sm brain record': () => timeProcess([program, ...RECORD], { env }),
      'SQLite recall': () => timeProcess([sqlite, file, 'recall']),
      'sm hook session-start': () => timeProcess([program, 'hook', 'session-start', '--agent', 'claude'], { env }),
      'sm brain recall': () => timeProcess([program, 'brain', 'recall', 'jitter retry', '--json'], { env }),
    },
    rounds,
  );
  printRatios(`Whole processes, ${rounds} rounds, against node -e 0`, times, 'node -e 0');
  const only = (...names) => Object.fromEntries(names.map((name) => [name, times[name]]));
  printRatios('record, against SQLite', only('SQLite record', 'sm brain record'), 'SQLite record');
  printRatios('recall, against SQLite', only('SQLite recall', 'sm brain recall'), 'SQLite recall');
} finally {
  sm(directory, 'host', 'stop');
  fs.rmSync(directory, { recursive: true, force: true });
}
