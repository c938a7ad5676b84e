/**
 * Runs in a network namespace of its own, where it may make and remove addresses: a portal, and what becomes of
 * connections from one address to another. Prints one JSON object.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Portal } from '../../portal/portal.ts';
import { PlainSource } from '../../portal/sources.ts';
import { Tailscale } from '../../portal/tailscale.ts';
import { startLocalApi } from './tailscaled.ts';

const [MINE, OTHER, MINE_6, NEIGHBOUR] = ['100.101.102.103', '100.64.0.9', 'fd7a:115c:a1e0::1234', '192.168.50.1'];

function ip(...words: string[]): void {
  execFileSync('ip', words);
}

/** `open`, `closed` where it was cut off without an answer, or the error's code. */
async function reach(port: number, host: string, localAddress: string): Promise<string> {
  const socket = net.connect({ port, host, localAddress });
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => (text += part));
  let failure = '';
  socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? ''));
  socket.write(`GET / HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}\r\nConnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.once('close', resolve));
  return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? (failure === 'ECONNREFUSED' ? failure : 'closed');
}

async function untilListening(portal: Portal, host: string, isWanted: boolean): Promise<void> {
  while (portal.addresses().some((address) => address.includes(host)) !== isWanted) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'sm-tailnet-'));
const api = await startLocalApi(path.join(directory, 'tailscaled.sock'), {
  [MINE]: 'me@example.com',
  [OTHER]: 'tagged-devices',
});
ip('link', 'set', 'lo', 'up');
for (const device of ['tailscale0', 'wireless0']) {
  ip('tuntap', 'add', 'dev', device, 'mode', 'tun');
  ip('link', 'set', device, 'up');
}
ip('addr', 'add', `${NEIGHBOUR}/32`, 'dev', 'wireless0');

function createPortal(allowed: string[]): Portal {
  return new Portal({
    directory,
    source: new PlainSource({ command: ['cat'], cwd: '/', env: process.env }),
    session: 'claude',
    brain: { locate: () => Promise.reject(new Error('none')), connect: () => Promise.reject(new Error('none')) },
    assets: new Map(
      ['login.html', 'index.html'].map((name) => [
        name,
        { body: Buffer.from('x'), gzipped: undefined, type: 'text/html', isImmutable: false },
      ]),
    ),
    tailscale: new Tailscale(path.join(directory, 'tailscaled.sock')),
    port: 7799,
    hasAuth: true,
    isReadOnly: false,
    allowed,
    hostNames: [],
    nowMs: Date.now,
    log: () => undefined,
    addressIntervalMs: 50,
  });
}

const result: Record<string, unknown> = {};
const first = createPortal([]);
await first.start();
result['without'] = { addresses: first.addresses(), problems: (await first.status()).problems };
ip('addr', 'add', `${MINE}/32`, 'dev', 'tailscale0');
ip('-6', 'addr', 'add', `${MINE_6}/128`, 'dev', 'tailscale0', 'nodad');
await untilListening(first, MINE, true);
await untilListening(first, MINE_6, true);
result['problems'] = (await first.status()).problems;
result['fromTailnet'] = await reach(7799, MINE, MINE);
result['fromTailnet6'] = await reach(7799, MINE_6, MINE_6);
result['fromNeighbour'] = await reach(7799, MINE, NEIGHBOUR);
result['toNeighbour'] = await reach(7799, NEIGHBOUR, NEIGHBOUR);
result['fromLoopback'] = await reach(7799, '127.0.0.1', '127.0.0.1');
api.addresses = [];
ip('addr', 'del', `${MINE}/32`, 'dev', 'tailscale0');
await untilListening(first, MINE, false);
ip('addr', 'add', `${MINE}/32`, 'dev', 'tailscale0');
await untilListening(first, MINE, true);
result['again'] = await reach(7799, MINE, MINE);
await first.close();

ip('addr', 'add', `${OTHER}/32`, 'dev', 'tailscale0');
const second = createPortal(['me@example.com']);
await second.start();
result['allowed'] = await reach(7799, MINE, MINE);
result['notAllowed'] = await reach(7799, MINE, OTHER);
result['thisMachine'] = await reach(7799, '127.0.0.1', '127.0.0.1');
await second.close();
api.server.close();
http.globalAgent.destroy();
fs.rmSync(directory, { recursive: true });
process.stdout.write(`${JSON.stringify(result)}\n`);
