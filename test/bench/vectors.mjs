/**
 * What vectors of 768 dimensions cost: to write, to ask, and on disk, in a brain, beside pgvector in the PGlite that it is
 * made for. Vectors are random; the address that makes them is left out of both.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { median, root, temporaryDirectory } from './measure.mjs';

const peers = path.join(root, 'test/bench/pgvector');
if (!fs.existsSync(path.join(peers, 'node_modules')))
  spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: peers,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
const { openPgvector } = await import('./pgvector/peer.mjs');
const { openBrain } = await import(path.join(root, 'dist/index.js'));
const SIZE = Number(process.env.SIZE ?? 10_000);
const DIMENSIONS = 768;
const BATCH = 500;
const QUESTIONS = 15;
const scope = { workspaceId: '', projectId: 'bench' };
const directory = temporaryDirectory();

const random = () => Float32Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5);
const packed = (vector) =>
  Buffer.from(Int8Array.from(vector, (value) => Math.round(value * 254)).buffer).toString('base64');
const milliseconds = async (work) => {
  const started = performance.now();
  await work();
  return performance.now() - started;
};

const brain = await openBrain({ directory: path.join(directory, 'brain'), host: false });
const peer = await openPgvector(path.join(directory, 'peer'), DIMENSIONS);
try {
  await brain.run('embeddingStart', {
    model: 'random',
    generation: 'g',
    dimensions: DIMENSIONS,
    probe: packed(random()),
  });
  let [ours, theirs] = [0, 0];
  for (let from = 0; from < SIZE; from += BATCH) {
    const drafts = Array.from({ length: BATCH }, (_, index) => ({ title: `entry w${from + index}x of many` }));
    await brain.run('record', { requestId: crypto.randomUUID(), scope, agent: 'bench', drafts });
    const vectors = drafts.map(random);
    const { items, upToSeq } = await brain.run('embeddingPending', { generation: 'g', limit: BATCH });
    const stored = items.map(({ text: _, ...item }, index) => ({ ...item, data: packed(vectors[index]) }));
    ours += await milliseconds(() => brain.run('embeddingStore', { generation: 'g', upToSeq, vectors: stored }));
    theirs += await milliseconds(() => peer.write(vectors));
  }
  const query = 'w1x w2x';
  const recall = (more) => brain.run('recall', { scope, query, limit: 10, ...more });
  const meaning = () => ({ meaning: { generation: 'g', vector: packed(random()) } });
  await recall({});
  const first = await milliseconds(() => recall(meaning()));
  const times = { words: [], meaning: [], exact: [], index: [] };
  for (let index = 0; index < QUESTIONS; index += 1) {
    times.words.push(await milliseconds(() => recall({})));
    times.meaning.push(await milliseconds(() => recall(meaning())));
    times.exact.push(await milliseconds(() => peer.search(random())));
  }
  const built = await milliseconds(() => peer.index());
  for (let index = 0; index < QUESTIONS; index += 1) times.index.push(await milliseconds(() => peer.search(random())));
  const added = [];
  for (let index = 0; index < QUESTIONS; index += 1) added.push(await milliseconds(() => peer.write([random()])));
  const p50 = (name) => `${median(times[name]).toFixed(1)} ms`;
  console.log(`\n${SIZE} vectors of ${DIMENSIONS} dimensions`);
  console.log(
    `  written: brain ${(ours / SIZE).toFixed(2)} ms each, pgvector ${(theirs / SIZE).toFixed(2)} (${(theirs / ours).toFixed(0)} x)`,
  );
  console.log(
    `  a recall: by words ${p50('words')}, by meaning too ${p50('meaning')} (the first one, which reads them, ${first.toFixed(0)} ms)`,
  );
  console.log(
    `  pgvector's search alone: exact ${p50('exact')}, with HNSW ${p50('index')}, which took ${(built / 1_000).toFixed(0)} s to build and ${median(added).toFixed(0)} ms for each further vector`,
  );
} finally {
  await brain.close();
  await peer.close();
  fs.rmSync(directory, { recursive: true, force: true });
}
