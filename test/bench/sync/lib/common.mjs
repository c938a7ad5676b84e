// Shared by every bench: deterministic records, byte-counting TCP proxy, child servers, medians.
import net from 'node:net';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';

export const N = Number(process.env.N ?? 10_000);
export const CONFLICTS = Number(process.env.CONFLICTS ?? 1_000);
export const PROXY = process.env.PROXY === '1'; // count bytes instead of timing

const rng = (seed) => () => {
  seed |= 0;
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const syll =
  'ba be bi bo bu ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu ra re ri ro ru sa se si so su ta te ti to tu'.split(
    ' ',
  );
const vocab = (() => {
  const r = rng(7);
  return Array.from({ length: 3000 }, () => {
    let w = '';
    const k = 1 + Math.floor(r() * 4);
    for (let i = 0; i < k; i++) w += syll[Math.floor(r() * syll.length)];
    return w;
  });
})();
const words = (r, n) => Array.from({ length: n }, () => vocab[Math.floor(r() * vocab.length)]).join(' ');
const KINDS = ['decision', 'fact', 'convention', 'todo', 'failure', 'context'];

/** About 400 bytes of JSON: a "brain" entry as an agent would record it. */
export const record = (i, edit = 0, who = '') => {
  const r = rng(1000 + i * 31 + edit * 7919);
  return {
    id: `brn_${i.toString(36).padStart(8, '0')}${createHash('md5').update(String(i)).digest('hex').slice(0, 14)}`,
    workspaceId: 'ws_acme',
    projectId: `prj_${i % 5}`,
    kind: KINDS[Math.floor(r() * KINDS.length)],
    title: words(r, 6),
    body: words(r, 30) + (edit ? ` edited ${who} ${edit}` : ''),
    tags: words(r, 3).split(' ').join(','),
    author: `agent-${i % 7}`,
    updatedAt: 1_750_000_000_000 + i * 1000 + edit,
  };
};
export const records = (n = N) => Array.from({ length: n }, (_, i) => record(i));

export const digest = (rows) => {
  const h = createHash('sha256');
  for (const r of [...rows].sort((a, b) => (a.id < b.id ? -1 : 1)))
    h.update(
      JSON.stringify([r.id, r.workspaceId, r.projectId, r.kind, r.title, r.body, r.tags, r.author, r.updatedAt]),
    );
  return h.digest('hex').slice(0, 16);
};

export const now = () => performance.now();
export const timed = async (f) => {
  const t = now();
  const v = await f();
  return [now() - t, v];
};
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const until = async (f, what, ms = 240_000, step = 2) => {
  const end = now() + ms;
  while (!(await f())) {
    if (now() > end) throw new Error('timeout waiting for ' + what);
    await sleep(step);
  }
};
export const freshDir = (p) => mkdtempSync(path.join(tmpdir(), `hs-${p}-`));
export const rmDir = (d) => rmSync(d, { recursive: true, force: true });

export const freePort = () =>
  new Promise((res) => {
    const s = net.createServer();
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => res(port));
    });
  });

/** TCP proxy: counts the bytes of each direction, headers and framing included. */
export const startProxy = (target) =>
  new Promise((res) => {
    const st = { up: 0, down: 0, conns: 0 };
    const srv = net.createServer({ allowHalfOpen: true }, (c) => {
      st.conns++;
      const u = net.connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
      c.on('data', (d) => {
        st.up += d.length;
        u.write(d);
      });
      u.on('data', (d) => {
        st.down += d.length;
        c.write(d);
      });
      const end = () => {
        c.destroy();
        u.destroy();
      };
      c.on('end', () => u.end());
      u.on('end', () => c.end());
      c.on('error', end);
      u.on('error', end); // a finished side still gets what is buffered
    });
    srv.listen(0, '127.0.0.1', () =>
      res({
        port: srv.address().port,
        stats: st,
        take() {
          const r = { up: st.up, down: st.down, total: st.up + st.down, conns: st.conns };
          st.up = st.down = st.conns = 0;
          return r;
        },
        close() {
          srv.close();
        },
      }),
    );
  });

/** Starts a server script in its own process and waits for the line READY. */
const kids = new Set();
process.on('exit', () => {
  for (const p of kids)
    try {
      p.kill('SIGKILL');
    } catch {}
});
export const startServer = (file, args = [], execPath = process.execPath) =>
  new Promise((res, rej) => {
    const p = spawn(execPath, [file, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: path.dirname(file),
    });
    kids.add(p);
    let buf = '';
    p.stdout.on('data', (d) => {
      buf += d;
      if (buf.includes('READY'))
        res({
          pid: p.pid,
          stop: () =>
            new Promise((r) => {
              p.once('exit', r);
              p.kill('SIGTERM');
              setTimeout(() => p.kill('SIGKILL'), 1500).unref();
            }),
        });
    });
    p.once('exit', (c) => {
      kids.delete(p);
      rej(new Error('server exited ' + c));
    });
  });

export const rss = () => Math.round(process.memoryUsage().rss / 1048576);
export const out = (o) => {
  for (const k in o) if (typeof o[k] === 'number') o[k] = Math.round(o[k] * 10) / 10;
  console.log('RESULT ' + JSON.stringify(o));
};
