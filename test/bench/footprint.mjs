/** What a brain costs: the first command on a new machine, memory and disk of the host, empty and with entries. */
import fs from 'node:fs';
import path from 'node:path';
import { brainEnvironment, inTurn, printRatios, program, sm, temporaryDirectory, timeProcess } from './measure.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
const used = [];
const RECORD = ['brain', 'record', '--title', 'First words'];

function freshEnvironment() {
  const directory = temporaryDirectory();
  used.push(directory);
  return brainEnvironment(directory);
}

function mebibytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** What the files in `place` take on the disk. */
function diskBytes(place) {
  const stat = fs.lstatSync(place);
  const inside = stat.isDirectory() ? fs.readdirSync(place).map((name) => diskBytes(path.join(place, name))) : [];
  return inside.reduce((sum, bytes) => sum + bytes, stat.blocks * 512);
}

try {
  const stopped = temporaryDirectory();
  used.push(stopped);
  sm(stopped, ...RECORD);
  const times = inTurn(
    {
      'node -e 0': () => timeProcess(['-e', '0']),
      'first record ever: create, start, commit': () => timeProcess([program, ...RECORD], { env: freshEnvironment() }),
      'first record after the host has ended': () => {
        sm(stopped, 'host', 'stop');
        return timeProcess([program, ...RECORD], { env: brainEnvironment(stopped) });
      },
    },
    rounds,
  );
  printRatios('Cold starts, whole processes', times, 'node -e 0');

  const directory = temporaryDirectory();
  used.push(directory);
  sm(directory, 'brain', 'status');
  const status = () => JSON.parse(sm(directory, 'host', 'status', '--json'));
  const disk = () => diskBytes(path.join(directory, 'brain'));
  console.log('\nHost');
  console.log(`  empty, idle: memory ${mebibytes(status().rssBytes)}, disk ${mebibytes(disk())}`);
  for (let count = 0; count < 100; count += 1) sm(directory, ...RECORD);
  console.log(`  after 100 commands: memory ${mebibytes(status().rssBytes)}, disk ${mebibytes(disk())}`);
} finally {
  for (const directory of used) {
    if (fs.existsSync(path.join(directory, 'brain'))) sm(directory, 'host', 'stop');
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
