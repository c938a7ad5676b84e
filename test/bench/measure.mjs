/** What the benchmarks share: whole processes timed in turn, medians, and a brain that is thrown away. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const program = path.join(root, 'dist/sm.cjs');

export function temporaryDirectory() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'stackmemory-bench-'));
}

/** The environment of a brain of its own in `directory`. */
export function brainEnvironment(directory) {
  return { ...process.env, STACKMEMORY_HOME: directory, PROVENANT_PROJECT_ID: 'bench', SM_NO_HOST: '' };
}

export function sm(directory, ...args) {
  const result = spawnSync(process.execPath, [program, ...args], {
    env: brainEnvironment(directory),
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`sm ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Wall-clock milliseconds of one whole process. */
export function timeProcess(args, options) {
  const started = performance.now();
  const result = spawnSync(process.execPath, args, { stdio: 'ignore', ...options });
  if (result.status !== 0) throw new Error(`node ${args.join(' ')} ended with ${result.status}`);
  return performance.now() - started;
}

/**
 * Times the contestants in turn, so that a change of the machine's speed meets all of them alike.
 * @param contestants name to function that runs once and returns milliseconds
 * @returns name to all its times
 */
export function inTurn(contestants, rounds) {
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(contestants)) {
      const durationMs = run(round);
      if (round >= 0) times[name].push(durationMs); // The first round warms up.
    }
  }
  return times;
}

/** Prints medians and, of each, the median of its ratios to the contestant `floor` in the same round. */
export function printRatios(title, times, floor) {
  console.log(`\n${title}`);
  for (const [name, values] of Object.entries(times)) {
    const ratio = median(values.map((value, round) => value / times[floor][round]));
    console.log(`  ${name.padEnd(44)} ${median(values).toFixed(1).padStart(8)} ms   ${ratio.toFixed(2)} x`);
  }
}
