// StackMemory on the work that the peers are measured on: device A -> server (a process of its own) -> fresh device B.
// The steps and the names of the results are those of the other scripts; see README.md.
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as C from './lib/common.mjs';

const dist = process.env.STACKMEMORY_DIST ?? fileURLToPath(new URL('../../../dist/', import.meta.url));
const { openBrain, syncOnce } = await import(path.join(dist, 'index.js'));
const directory = C.freshDir('sm');
const port = await C.freePort();
const server = spawn(
  process.execPath,
  [
    path.join(dist, 'sm.cjs'),
    'serve',
    '--port',
    String(port),
    '--data',
    `${directory}/server`,
    '--signup',
    'open',
    '--log-level',
    'error',
  ],
  { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, STACKMEMORY_HOME: `${directory}/home` } },
);
process.on('exit', () => server.kill('SIGKILL'));
await C.until(
  async () => (await fetch(`http://127.0.0.1:${port}/v1/brain/health`).catch(() => undefined))?.ok,
  'the server',
  60_000,
  50,
);
const setup = await (
  await fetch(`http://127.0.0.1:${port}/v1/setup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'bench@example.org', workspaceName: 'bench' }),
  })
).json();
const proxy = C.PROXY ? await C.startProxy(port) : null;
const login = {
  endpoint: `http://127.0.0.1:${proxy?.port ?? port}`,
  apiKey: setup.apiKey,
  workspaceId: setup.workspaceId,
  projectId: setup.projectId,
};
const o = { system: 'StackMemory', n: C.N };
const take = (key) => {
  if (proxy) o[`bytes_${key}`] = proxy.take().total;
};

const KINDS = { decision: 'decision', fact: 'insight', convention: 'insight', failure: 'experiment' };
const uuid = (text) => {
  const hex = createHash('md5').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
};
/** As the product makes them (version 7): 48 bits of time, the rest is random. */
const entryIdOf = ({ id, updatedAt }) => {
  const time = (updatedAt - (updatedAt % 1000)).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${uuid(id).slice(13)}`;
};
const entryOf = (r) => ({
  entryId: entryIdOf(r),
  workspaceId: setup.workspaceId,
  projectId: r.projectId,
  agent: r.author,
  kind: KINDS[r.kind] ?? 'note',
  title: r.title,
  summary: r.body,
  conclusion: '',
  tags: [...new Set(r.tags.split(','))],
  refs: [],
  confidence: 0.7,
  status: 'active',
  createdAt: r.updatedAt - (r.updatedAt % 1000),
  updatedAt: r.updatedAt,
});
const hashOf = ({ updatedAt: _, ...content }) =>
  createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(Object.entries(content).toSorted(([a], [b]) => (a < b ? -1 : 1)))))
    .digest('hex');
const changeOf = (device, r, base) => ({
  changeId: randomUUID(),
  base: base === undefined ? null : hashOf(entryOf(base)),
  replicaId: device.id,
  entry: entryOf(r),
});
const put = (device, rows, bases = []) =>
  device.brain.run('import', { origin: 'import:bench', changes: rows.map((r, i) => changeOf(device, r, bases[i])) });
const mk = async (name) => ({
  name,
  id: uuid(name),
  brain: await openBrain({ directory: `${directory}/${name}`, host: false }),
});
const run = async (device, mode) => {
  const report = await syncOnce({ brain: device.brain, ...login, mode });
  if (!report.success) throw new Error(JSON.stringify(report.reason));
  return report;
};
const sync = (device) => run(device, 'both');
/** Two machines in life: here the one makes its index, as it does when nobody asks, on the cores of the other. */
const untilIdle = async () => {
  for (let share = 1; share > 0.1;) {
    const { user, system } = process.cpuUsage();
    await C.sleep(500);
    const after = process.cpuUsage();
    share = (after.user + after.system - user - system) / 500_000;
  }
};
const all = async (device) => {
  const entries = [];
  for (let project = 0; project < 5; project += 1) {
    entries.push(
      ...(await device.brain.run('list', {
        scope: { workspaceId: setup.workspaceId, projectId: `prj_${project}` },
        includeInactive: true,
        limit: 10_000,
      })),
    );
  }
  return entries;
};
const digestOf = (entries) =>
  createHash('sha256')
    .update(
      entries
        .map((e) => `${e.entryId} ${e.updatedAt} ${hashOf(e)}`)
        .toSorted()
        .join('\n'),
    )
    .digest('hex');

const A = await mk('a');
const B = await mk('b');
const rows = C.records();
{
  const T = await mk('t');
  [o.insert1k_single_ms] = await C.timed(async () => {
    for (const r of rows.slice(0, 1000)) await put(T, [r]);
  });
  await T.brain.close();
}
[o.insert_batch_ms] = await C.timed(async () => {
  for (let i = 0; i < rows.length; i += 1000) await put(A, rows.slice(i, i + 1000));
});
await untilIdle();
[o.sync_push_ms] = await C.timed(() => run(A, 'push'));
take('push');
await untilIdle();
[o.sync_pull_ms] = await C.timed(() => run(B, 'pull'));
take('pull');
o.sync_total_ms = o.sync_push_ms + o.sync_pull_ms;
const expected = digestOf(rows.map(entryOf));
if (C.N <= 50_000) o.equal = digestOf(await all(A)) === expected && digestOf(await all(B)) === expected;
[o.settle_ms] = await C.timed(async () => {
  await sync(A);
  await sync(B);
});
take('settle');
await untilIdle();
await put(A, [C.record(5, 1, 'A')], [C.record(5)]);
[o.incr_cold_ms] = await C.timed(async () => {
  await sync(A);
  await sync(B);
});
take('incr');
[o.noop_ms] = await C.timed(() => sync(B));
take('noop');
const editsOf = (edit, who) => Array.from({ length: C.CONFLICTS }, (_, i) => C.record(i, edit, who));
const bases = Array.from({ length: C.CONFLICTS }, (_, i) => (i === 5 ? C.record(5, 1, 'A') : C.record(i)));
await put(A, editsOf(2, 'A'), bases);
await put(B, editsOf(3, 'B'), bases);
await untilIdle();
[o.conflict_ms] = await C.timed(async () => {
  await sync(B);
  await sync(A);
  await sync(B);
});
take('conflict');
if (C.N <= 50_000) {
  const entries = await all(A);
  o.converged = digestOf(entries) === digestOf(await all(B));
  o.newest_won = entries.filter((e) => e.summary.endsWith('edited B 3')).length;
}
const scope = { workspaceId: setup.workspaceId, projectId: null };
const losers = async (device) =>
  (await device.brain.run('conflicts', { scope, limit: 10_000 })).flatMap((c) => c.losers);
o.losers_readable = Math.min(
  ...(await Promise.all(
    [A, B].map(async (device) => (await losers(device)).filter((l) => l.entry.summary.endsWith('edited A 2')).length),
  )),
);
o.rss_mb = C.rss();
C.out(o);
await A.brain.close();
await B.brain.close();
server.kill('SIGTERM');
proxy?.close();
C.rmDir(directory);
process.exit(0);
