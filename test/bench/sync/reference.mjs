// A throw-away prototype of the shape of OUR product, to see what is reachable: PGlite files on both devices and on the server,
// POST /v1/brain/push and /pull, gzip, batches of 1,000, a per-workspace sequence as cursor, newest wins in a total order.
import zlib from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { ddl, upsert } from './reference-schema.mjs';
import * as C from './lib/common.mjs';
const dir = C.freshDir('ref'),
  sdir = C.freshDir('refs');
const port = await C.freePort();
const server = await C.startServer(fileURLToPath(new URL('./reference-server.mjs', import.meta.url)), [port, sdir]);
const proxy = C.PROXY ? await C.startProxy(port) : null;
const base = `http://127.0.0.1:${proxy?.port ?? port}`;
const o = {
  system: 'prototype: PGlite + HTTP + gzip' + (process.env.RELAXED === '1' ? ', relaxedDurability' : ''),
  n: C.N,
};
const take = (k) => {
  if (proxy) o['bytes_' + k] = proxy.take().total;
};
const BATCH = Number(process.env.BATCH ?? 1000);
const mk = async (name) => {
  const db = await PGlite.create({ dataDir: `${dir}/${name}`, relaxedDurability: process.env.RELAXED === '1' });
  await db.exec(ddl + 'create table outbox(n bigint generated always as identity primary key, id text not null);');
  return { name, db, since: 0 };
};
const low = (r, origin) => ({
  id: r.id,
  workspaceid: r.workspaceId,
  projectid: r.projectId,
  kind: r.kind,
  title: r.title,
  body: r.body,
  tags: r.tags,
  author: r.author,
  updatedat: r.updatedAt,
  origin,
});
const put = (d, rs) =>
  d.db.transaction(async (t) => {
    await t.query(upsert(), [JSON.stringify(rs.map((r) => low(r, d.name)))]);
    await t.query('insert into outbox(id) select jsonb_array_elements_text($1::jsonb)', [
      JSON.stringify(rs.map((r) => r.id)),
    ]);
  });
const post = async (p, o) => {
  const r = await fetch(base + p, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', authorization: 'Bearer test' },
    body: zlib.gzipSync(JSON.stringify(o), { level: 3 }),
  });
  return r.json();
};
const push = async (d) => {
  for (;;) {
    const { rows } = await d.db.query(`select e.*, o.n from outbox o join e using (id) order by o.n limit ${BATCH}`);
    if (!rows.length) return;
    await post('/v1/brain/push', { replica: d.name, rows: rows.map(({ ws, n, ...r }) => r) });
    await d.db.query('delete from outbox where n <= $1', [rows.at(-1).n]);
  }
};
const pull = async (d) => {
  for (;;) {
    const r = await post('/v1/brain/pull', { replica: d.name, since: d.since, limit: BATCH });
    if (r.rows.length)
      await d.db.query(upsert(), [
        JSON.stringify(r.rows.map((x) => Object.fromEntries(x.map((v, i) => [r.cols[i], v])))),
      ]);
    d.since = r.cursor;
    if (!r.more) return;
  }
};
const sync = async (d) => {
  await push(d);
  await pull(d);
};
const all = async (d) =>
  (await d.db.query('select * from e')).rows.map((r) => ({
    id: r.id,
    workspaceId: r.workspaceid,
    projectId: r.projectid,
    kind: r.kind,
    title: r.title,
    body: r.body,
    tags: r.tags,
    author: r.author,
    updatedAt: Number(r.updatedat),
  }));
const A = await mk('a'),
  B = await mk('b');
const rows = C.records();
{
  const T = await mk('t');
  [o.insert1k_single_ms] = await C.timed(async () => {
    for (const r of rows.slice(0, 1000)) await put(T, [r]);
  });
  await T.db.close();
}
[o.insert_batch_ms] = await C.timed(async () => {
  for (let i = 0; i < rows.length; i += 1000) await put(A, rows.slice(i, i + 1000));
});
[o.sync_push_ms] = await C.timed(() => push(A));
take('push');
[o.sync_pull_ms] = await C.timed(() => pull(B));
take('pull');
o.sync_total_ms = o.sync_push_ms + o.sync_pull_ms;
o.equal = C.digest(await all(A)) === C.digest(rows) && C.digest(await all(B)) === C.digest(rows);
[o.settle_ms] = await C.timed(async () => {
  await sync(A);
  await sync(B);
});
take('settle');
await put(A, [C.record(5, 1, 'A')]);
[o.incr_cold_ms] = await C.timed(async () => {
  await sync(A);
  await sync(B);
});
take('incr');
[o.noop_ms] = await C.timed(() => sync(B));
take('noop');
await put(
  A,
  Array.from({ length: C.CONFLICTS }, (_, i) => C.record(i, 2, 'A')),
);
await put(
  B,
  Array.from({ length: C.CONFLICTS }, (_, i) => C.record(i, 3, 'B')),
);
[o.conflict_ms] = await C.timed(async () => {
  await sync(B);
  await sync(A);
  await sync(B);
});
take('conflict');
const a = await all(A);
o.converged = C.digest(a) === C.digest(await all(B));
o.newest_won = a.filter((r) => r.body.endsWith('edited B 3')).length;
o.rss_mb = C.rss();
C.out(o);
await server.stop();
proxy?.close();
C.rmDir(dir);
C.rmDir(sdir);
process.exit(0);
