/**
 * Sync against a bare prototype of the same shape (PGlite on both sides, set-based SQL, gzip; no history, no clock, no
 * search, no keys), in turn and in the same run: ROUNDS rounds of N records, medians, then bytes on the wire.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const rounds = Number(process.env.ROUNDS ?? 3);
const SYSTEMS = { product: 'sync/product.mjs', prototype: 'sync/reference.mjs' };
const TIMES = ['insert1k_single_ms', 'insert_batch_ms', 'sync_total_ms', 'incr_cold_ms', 'noop_ms', 'conflict_ms'];
const BYTES = ['bytes_push', 'bytes_pull', 'bytes_incr', 'bytes_conflict'];

function once(script, env = {}) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [file], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 600_000,
  });
  const line = stdout.split('\n').find((text) => text.startsWith('RESULT '));
  if (line === undefined) throw new Error(`${script} gave no result: ${stderr.slice(-500)}`);
  return JSON.parse(line.slice('RESULT '.length));
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const runs = { product: [], prototype: [] };
for (let round = 0; round < rounds; round += 1) {
  for (const [name, script] of Object.entries(SYSTEMS)) runs[name].push(once(script));
}
const bytes = Object.fromEntries(Object.entries(SYSTEMS).map(([name, script]) => [name, once(script, { PROXY: '1' })]));

console.log(`sync of ${runs.product[0].n} records, medians of ${rounds}`);
for (const key of TIMES) {
  const [ours, theirs] = ['product', 'prototype'].map((name) => median(runs[name].map((run) => run[key])));
  console.log(`  ${key.padEnd(20)} ${ours} ms, prototype ${theirs} ms: ${(ours / theirs).toFixed(2)} x`);
}
for (const key of BYTES) {
  console.log(`  ${key.padEnd(20)} ${bytes.product[key]} B, prototype ${bytes.prototype[key]} B`);
}
const [{ equal, converged, newest_won: newestWon, losers_readable: losers, rss_mb: rss }] = runs.product;
console.log(
  `  equal ${equal}, converged ${converged}, newest won ${newestWon}, losers readable ${losers}, memory ${rss} MiB`,
);
