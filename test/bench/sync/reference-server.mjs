import http from 'node:http';
import zlib from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import { ddl, COLS, upsert } from './reference-schema.mjs';
const [port, dir] = process.argv.slice(2);
const db = await PGlite.create({ dataDir: dir + '/pg', relaxedDurability: process.env.RELAXED === '1' });
await db.exec(
  ddl +
    `create table ws(id text primary key, seq bigint not null); alter table e add column seq bigint; create unique index on e(ws, seq);`,
);
const body = async (q) => {
  const c = [];
  for await (const d of q) c.push(d);
  const b = Buffer.concat(c);
  return JSON.parse(q.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(b) : b);
};
const send = (res, o) => {
  const b = zlib.gzipSync(JSON.stringify(o), { level: 3 });
  res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
  res.end(b);
};
http.createServer((q, res) => void answer(q, res)).listen(Number(port), '127.0.0.1', () => console.log('READY'));

async function answer(q, res) {
  const b = await body(q);
  if (q.url === '/v1/brain/push') {
    const r = await db.transaction(async (t) => {
      const {
        rows: [{ seq }],
      } = await t.query(
        `insert into ws values ($1, $2) on conflict (id) do update set seq = ws.seq + excluded.seq returning seq`,
        ['w1', b.rows.length],
      );
      return t.query(upsert('w1', Number(seq) - b.rows.length), [JSON.stringify(b.rows)]);
    });
    send(res, { ok: true, applied: r.affectedRows });
  } else {
    const { rows } = await db.query(
      `select ${COLS}, seq from e where ws = 'w1' and seq > $1 and origin <> $2 order by seq limit $3`,
      [b.since, b.replica, b.limit],
    );
    const {
      rows: [h],
    } = await db.query(`select seq from ws where id = 'w1'`);
    send(res, {
      cols: COLS.split(','),
      rows: rows.map((r) => COLS.split(',').map((c) => r[c])),
      cursor: rows.length === b.limit ? Number(rows.at(-1).seq) : Number(h?.seq ?? 0),
      more: rows.length === b.limit,
    });
  }
}
