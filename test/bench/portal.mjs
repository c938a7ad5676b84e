/**
 * The portal against a bare server of the same libraries (and ttyd, where TTYD names its program), in turn and in the
 * same run: throughput, processor, echo, memory, a stopped reader, Ctrl-C in a flood, a long path; and how soon its page
 * shows the terminal. Medians of ROUNDS; ONLY=echo,stopped runs these parts alone.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import chromium from '@sparticuz/chromium';
import { chromium as playwright } from 'playwright-core';
import { temporaryDirectory } from './measure.mjs';
import { PEERS, PROMPT } from './portal/peers.mjs';

const rounds = Number(process.env.ROUNDS ?? 3);
const megabytes = Number(process.env.MEGABYTES ?? 50);
const PASSES = 3;
const ECHOES = 400;
const IDLE_VIEWERS = 20;
const FLOOD_MS = 2_000;
const STOPPED_MS = Number(process.env.STOPPED_MS ?? 5_000);
const SLOW_BYTES_PER_MS = 5_000;
const LONG_PATH_MS = 120;
const TAIL_CHARACTERS = 8_000;

/** Parses at a given speed, one chunk after another as a page does. */
class Terminal {
  constructor(bytesPerMs = Infinity) {
    Object.assign(this, { bytesPerMs, bytes: 0, tail: '', freeAtMs: 0, queue: [], waiters: [], isFrozen: false });
  }

  write(bytes, parsed) {
    if (this.isFrozen) return;
    const show = () => {
      this.bytes += bytes.length;
      this.tail = (this.tail + bytes.subarray(-TAIL_CHARACTERS).toString('latin1')).slice(-TAIL_CHARACTERS);
      for (const waiter of this.waiters.splice(0)) waiter();
      parsed();
    };
    if (this.bytesPerMs === Infinity) return show();
    this.queue.push({ bytes: bytes.length, show });
    if (this.queue.length === 1) this.#parseNext();
  }

  #parseNext() {
    const [{ bytes, show }] = this.queue;
    this.freeAtMs = Math.max(this.freeAtMs, performance.now()) + bytes / this.bytesPerMs;
    const parse = () => {
      show();
      this.queue.shift();
      if (this.queue.length > 0) this.#parseNext();
    };
    const waitMs = this.freeAtMs - performance.now();
    // A timer is a millisecond at least; less is owed to the next chunk.
    if (waitMs < 1) setImmediate(parse);
    else setTimeout(parse, waitMs);
  }

  async see(text) {
    while (!this.tail.includes(text)) await new Promise((resolve) => this.waiters.push(resolve));
    this.tail = '';
  }
}

const stat = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
const cpuS = (pid) => (Number(stat(pid)[11]) + Number(stat(pid)[12])) / 100;
const rssMiB = (pid) => (Number(stat(pid)[21]) * 4096) / 1024 / 1024;
const percentile = (list, part) =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * part))];

async function session(peer, terminal, run, later) {
  const server = await peer.start();
  const client = await server.connect(terminal, later);
  await terminal.see(PROMPT);
  try {
    return await run(server, client);
  } finally {
    client.socket.terminate();
    await server.stop();
  }
}

/** The median of some passes over the file, after one over `warmUp` that is not counted: what serves has run for weeks. */
async function throughput(peer, file, warmUp, bytesPerMs, later) {
  const terminal = new Terminal(bytesPerMs);
  return session(
    peer,
    terminal,
    async (server, client) => {
      client.type('stty raw -echo; PS1=\r');
      await delay(400);
      const passes = [];
      for (const { place, bytes } of [warmUp, ...Array.from({ length: PASSES }, () => file)]) {
        terminal.bytes = 0;
        const [beforeS, startMs] = [cpuS(server.pid), performance.now()];
        client.type(`cat ${place}; printf 'E%sD' N\r`);
        await terminal.see('END');
        const seconds = (performance.now() - startMs) / 1000;
        passes.push({
          rate: bytes / 1e6 / seconds,
          cpu: (cpuS(server.pid) - beforeS) / (bytes / 1e6),
          lost: Math.max(0, bytes - terminal.bytes),
        });
      }
      const counted = passes.slice(1);
      const middle = (field) =>
        percentile(
          counted.map((each) => each[field]),
          0.5,
        );
      return { rate: middle('rate'), cpu: middle('cpu'), lost: Math.max(...counted.map(({ lost }) => lost)) };
    },
    later,
  );
}

async function echo(peer) {
  const terminal = new Terminal();
  return session(peer, terminal, async (_server, client) => {
    client.type('cat\r');
    await delay(400);
    const times = [];
    for (let count = 0; count < ECHOES; count += 1) {
      const key = String.fromCharCode(97 + (count % 26));
      terminal.tail = '';
      const startMs = performance.now();
      client.type(key);
      await terminal.see(key);
      times.push(performance.now() - startMs);
      if (count % 60 === 59) client.type('\r');
      await delay(2);
    }
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  });
}

async function idle(peer) {
  const terminal = new Terminal();
  return session(peer, terminal, async (server) => {
    const before = rssMiB(server.pid);
    const clients = [];
    for (let count = 0; count < IDLE_VIEWERS; count += 1) {
      const viewer = new Terminal();
      clients.push(await server.connect(viewer));
      await viewer.see(PROMPT);
    }
    await delay(500);
    const each = ((rssMiB(server.pid) - before) * 1024) / IDLE_VIEWERS;
    for (const { socket } of clients) socket.terminate();
    return { each };
  });
}

async function stopped(peer) {
  const terminal = new Terminal();
  return session(peer, terminal, async (server, client) => {
    const before = rssMiB(server.pid);
    client.type('yes 0123456789012345678901234567890123456789012345678901234567890123\r');
    await delay(300);
    terminal.isFrozen = true;
    client.socket.pause();
    await delay(STOPPED_MS);
    return { growth: rssMiB(server.pid) - before };
  });
}

async function interrupt(peer, bytesPerMs) {
  const terminal = new Terminal(bytesPerMs);
  return session(peer, terminal, async (_server, client) => {
    client.type('yes\r');
    await delay(FLOOD_MS);
    terminal.tail = '';
    const startMs = performance.now();
    client.type('\u0003');
    await terminal.see(PROMPT);
    return { ms: performance.now() - startMs };
  });
}

/** Until the terminal shows its first output in a browser that has never been there; and until the login does, as a floor. */
async function openPage() {
  const server = await PEERS['portal with tmux'].start();
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const login = await browser.newContext();
    const page = await login.newPage();
    let startMs = performance.now();
    await page.goto(server.url);
    const floor = performance.now() - startMs;
    await page.goto(`${server.url}?token=${server.token}`);
    await page.waitForSelector('#state[data-state="open"]');
    const visit = await browser.newContext({ storageState: await login.storageState() });
    const terminal = await visit.newPage();
    const output = new Promise((resolve) =>
      terminal.on('websocket', (socket) =>
        socket.on('framereceived', ({ payload }) => typeof payload !== 'string' && resolve(performance.now())),
      ),
    );
    startMs = performance.now();
    await terminal.goto(server.url);
    return { floor, terminal: (await output) - startMs };
  } finally {
    await browser.close();
    await server.stop();
  }
}

/** Every peer in turn, `rounds` times; prints the medians, and the ratio to the bare server. */
async function compare(what, names, unit, fields, measure) {
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) results[name].push(await measure(PEERS[name]));
  }
  for (const [field, label] of Object.entries(fields)) {
    const median = (name) =>
      percentile(
        results[name].map((each) => each[field]),
        0.5,
      );
    const told = names.map((name) => {
      const ratio =
        names.includes('bare') && name !== 'bare' ? ` (${(median(name) / median('bare')).toFixed(2)} x)` : '';
      return `${name} ${median(name).toFixed(2)}${ratio}`;
    });
    console.log(`  ${`${what}${label}`.padEnd(38)} ${told.join(', ')} ${unit}`);
  }
  return results;
}

const directory = temporaryDirectory();
const line = 'the agent writes a patch, runs the tests and asks; größe 日本語 🚀 \u001b[32mok\u001b[0m\n';
const textOf = (name, bytes) => {
  const place = path.join(directory, name);
  fs.writeFileSync(place, line.repeat(Math.ceil(bytes / Buffer.byteLength(line))));
  return { place, bytes: fs.statSync(place).size };
};
const file = textOf('text', megabytes * 1e6);
const few = textOf('few', 16e6);
const tiny = textOf('tiny', 1e6);

const all = Object.keys(PEERS);
const plain = all.filter((name) => name !== 'portal with tmux');
const later = (run) => void setTimeout(() => run(), LONG_PATH_MS / 2);

const PARTS = {
  async throughput() {
    const quick = await compare('throughput, MB/s', plain, '', { rate: '' }, (peer) => throughput(peer, file, few));
    for (const name of plain) {
      const cpu = percentile(
        quick[name].map((each) => each.cpu * 1000),
        0.5,
      ).toFixed(1);
      const lost = quick[name].some(({ lost }) => lost > 0) ? ', bytes lost' : '';
      console.log(`    ${name}: ${cpu} ms of processor a MB${lost}`);
    }
  },
  async slow() {
    const slow = await compare('to a terminal of 5 MB/s, MB/s', ['portal'], '', { rate: '' }, (peer) =>
      throughput(peer, few, tiny, SLOW_BYTES_PER_MS),
    );
    console.log(`    every byte: ${slow.portal.every(({ lost }) => lost === 0)}`);
  },
  far: () =>
    compare('at 120 ms of round trip, MB/s', ['portal'], '', { rate: '' }, (peer) =>
      throughput(peer, file, few, Infinity, later),
    ),
  echo: () => compare('echo', all, 'ms', { p50: ' p50', p99: ' p99' }, echo),
  idle: () => compare('memory of an idle viewer', all, 'KiB', { each: '' }, idle),
  stopped: () => compare('growth with a stopped reader', plain, 'MiB', { growth: '' }, stopped),
  interrupt: () => compare('Ctrl-C in a flood', all, 'ms', { ms: '' }, (peer) => interrupt(peer)),
  async page() {
    const visits = [];
    for (let round = 0; round < rounds; round += 1) visits.push(await openPage());
    const [terminal, floor] = ['terminal', 'floor'].map((field) =>
      percentile(
        visits.map((each) => each[field]),
        0.5,
      ),
    );
    const ratio = (terminal / floor).toFixed(2);
    console.log(
      `  ${'first visit, to the first output'.padEnd(38)} ${terminal.toFixed(0)} ms (${ratio} x the login page)`,
    );
  },
  slowInterrupt: () =>
    compare('the same, terminal of 5 MB/s', all, 'ms', { ms: '' }, (peer) => interrupt(peer, SLOW_BYTES_PER_MS)),
};
const only = process.env.ONLY?.split(',') ?? Object.keys(PARTS);

console.log(`portal, medians of ${rounds}; (x) is the ratio to the bare server`);
if (process.env.TTYD === undefined) console.log('  without ttyd: TTYD=<its program> has it beside them');
try {
  for (const name of only) await PARTS[name]();
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
