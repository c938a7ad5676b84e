/** How each system is started with a shell, and spoken to as its own page does. Each gives what arrives to `take`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { program, temporaryDirectory } from '../measure.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const SHELL = ['bash', '--norc', '--noprofile'];
export const PROMPT = 'PROMPT>';
const ACK_BYTES = 16 * 1024;
/** ttyd's page: pauses above ten writes of 100 KB that wait, goes on below four. */
const TTYD = { bytes: 100_000, high: 10, low: 4 };

function launch(command, args, env = {}) {
  return spawn(command, args, { env: { ...process.env, PS1: PROMPT, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

async function open(url, { protocols = [], headers = {} } = {}) {
  const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false, maxPayload: 0 });
  await once(socket, 'open');
  return socket;
}

/** @param later delays what is sent back, as a long path does */
function portal(words) {
  return {
    async start() {
      const home = temporaryDirectory();
      const args = [
        'portal',
        'start',
        '--port',
        '0',
        '--json',
        ...words,
        '--command',
        SHELL[0],
        '--',
        ...SHELL.slice(1),
      ];
      const tmux = path.join(home, 'tmux');
      fs.mkdirSync(tmux);
      const child = launch(process.execPath, [program, ...args], { STACKMEMORY_HOME: home, TMUX_TMPDIR: tmux });
      const [line] = await once(createInterface(child.stdout), 'line');
      const url = JSON.parse(line).addresses.find((address) => address.includes('127.0.0.1'));
      const token = fs.readFileSync(path.join(home, 'portal/token'), 'utf8').trim();
      return {
        pid: child.pid,
        url,
        token,
        stop: async () => {
          child.kill('SIGTERM');
          await once(child, 'exit');
          await once(
            spawn('tmux', ['kill-server'], { env: { ...process.env, TMUX_TMPDIR: tmux }, stdio: 'ignore' }),
            'exit',
          );
          fs.rmSync(home, { recursive: true, force: true });
        },
        async connect(terminal, later = (run) => run()) {
          const socket = await open(`${url.replace('http', 'ws')}ws`, {
            headers: { Authorization: `Bearer ${token}` },
          });
          let parsed = 0;
          let acknowledged = 0;
          let waiting = 0;
          socket.on('message', (bytes, isBinary) => {
            if (!isBinary) return;
            waiting += 1;
            later(() =>
              terminal.write(bytes, () => {
                parsed += bytes.length;
                waiting -= 1;
                if (parsed - acknowledged < ACK_BYTES && waiting > 0) return;
                acknowledged = parsed;
                const seq = parsed;
                later(() => socket.readyState === 1 && socket.send(JSON.stringify({ t: 'ack', seq })));
              }),
            );
          });
          socket.send(JSON.stringify({ t: 'hello', version: 1, columns: 120, rows: 40 }));
          return { socket, type: (text) => later(() => socket.send(Buffer.from(text))) };
        },
      };
    },
  };
}

const bare = {
  async start() {
    const port = await freePort();
    const child = launch(process.execPath, [path.join(here, 'bare.mjs'), port, ...SHELL]);
    await once(createInterface(child.stdout), 'line');
    return {
      pid: child.pid,
      stop: async () => (child.kill('SIGKILL'), once(child, 'exit')),
      async connect(terminal) {
        const socket = await open(`ws://127.0.0.1:${port}/`);
        socket.on('message', (bytes) => terminal.write(bytes, () => undefined));
        return { socket, type: (text) => socket.send(text) };
      },
    };
  },
};

const ttyd = {
  async start() {
    const port = await freePort();
    const child = launch(process.env.TTYD, ['-p', port, '-i', 'lo', '-W', '-d', '1', ...SHELL]);
    for (let isUp = false; !isUp;)
      isUp = await fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      );
    return {
      pid: child.pid,
      stop: async () => (child.kill('SIGTERM'), once(child, 'exit')),
      async connect(terminal) {
        const socket = await open(`ws://127.0.0.1:${port}/ws`, { protocols: ['tty'] });
        let written = 0;
        let pending = 0;
        socket.on('message', (frame) => {
          if (frame[0] !== 0x30) return;
          const bytes = frame.subarray(1);
          written += bytes.length;
          if (written <= TTYD.bytes) {
            terminal.write(bytes, () => undefined);
            return;
          }
          written = 0;
          pending += 1;
          terminal.write(bytes, () => {
            pending -= 1;
            if (pending < TTYD.low) socket.send('3');
          });
          if (pending > TTYD.high) socket.send('2');
        });
        socket.send(JSON.stringify({ AuthToken: '', columns: 120, rows: 40 }));
        return { socket, type: (text) => socket.send(Buffer.from(`0${text}`)) };
      },
    };
  },
};

export const PEERS = {
  portal: portal(['--no-tmux']),
  'portal with tmux': portal([]),
  bare,
  ...(process.env.TTYD === undefined ? {} : { ttyd }),
};
