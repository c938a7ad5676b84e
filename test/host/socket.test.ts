/** Who may talk to a host, and what those who may not can do to it: nothing. */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { expect, test } from 'vitest';
import { hostStatus } from '../../lib/host/control.ts';
import { type ClientMessage, encodeFrame, FrameReader, HELLO_BYTES_MAX, WIRE_VERSION } from '../../lib/host/frames.ts';
import { type HostInfo, lockIdOf, placesOf } from '../../lib/host/places.ts';
import {
  announcedHost,
  connect,
  hasEnded,
  hostInfoOf,
  kill,
  newBrainDirectory,
  recordTitle,
  titlesIn,
} from '../support/host-brain.ts';
import { startClient } from '../support/host-clients.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

/** A bare connection to a host: what it says is collected, and its end seen. */
function dial(socketPath: string): { socket: net.Socket; said: unknown[]; closed: Promise<void> } {
  const socket = net.connect(socketPath);
  const reader = new FrameReader();
  const said: unknown[] = [];
  socket.on('data', (chunk) => said.push(...reader.push(chunk)));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
  });
  return { socket, said, closed };
}

const hello = (secret: unknown): ClientMessage =>
  ({ type: 'hello', secret, version: '9.9.9', wire: WIRE_VERSION }) as ClientMessage;

function framed(body: string | Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(Buffer.byteLength(body));
  return Buffer.concat([header, Buffer.from(body)]);
}

test('[H10] strangers and garbage are turned away, and do no harm to those who belong', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'before');
  const info = await announcedHost(directory);
  const tooLong = Buffer.alloc(4);
  tooLong.writeUInt32BE(HELLO_BYTES_MAX + 1);
  const turnedAway: (Buffer | Buffer[])[] = [
    encodeFrame(hello('')),
    encodeFrame(hello('0'.repeat(info.secret.length))),
    encodeFrame(hello(null)),
    encodeFrame(hello({ length: info.secret.length })),
    encodeFrame({ type: 'stop', id: 1 }),
    encodeFrame({ type: 'handover' }),
    [encodeFrame(hello('wrong')), encodeFrame({ type: 'stop', id: 1 })],
    framed('null'),
    framed('{"json":null}'),
    framed('{"json":{"type":"toString"}}'),
    framed('not json'),
    framed(''),
    framed(Buffer.from([0xff, 0xfe, 0x00, 0x80])),
    Buffer.from('GET / HTTP/1.1\r\nHost: brain\r\n\r\n'),
    Buffer.alloc(70_000, 0xff),
    tooLong,
  ];
  for (const bytes of turnedAway) {
    const { socket, said, closed } = dial(info.socket);
    socket.write(Buffer.concat([bytes].flat()));
    await closed;
    for (const message of said) expect(message).toMatchObject({ type: 'refused', reason: 'secret' });
  }
  await recordTitle(brain, 'after');
  expect(await titlesIn(brain)).toEqual(['after', 'before']);
  expect((await announcedHost(directory)).pid).toBe(info.pid);
  await brain.close();
});

test('[H10] who belongs and sends nonsense hurts only the own connection', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  const info = await announcedHost(directory);
  const nonsense = [
    framed('{"json":null}'),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    framed('{"json":{"type":"run","id":1,"operation":"record"}}'),
    framed('{"json":{"type":"run","id":1,"operation":"record","request":{"drafts":7}}}'),
    framed('{"json":{"type":"run","id":1,"operation":"__proto__","request":{}}}'),
    framed('{"json":{"type":"run"}}'),
    framed('{"json":{"type":"no such message"}}'),
    encodeFrame(hello(info.secret)),
  ];
  for (const bytes of nonsense) {
    const { socket, said } = dial(info.socket);
    socket.write(encodeFrame(hello(info.secret)));
    await waitUntil('a welcome', () => said.length === 1);
    socket.write(bytes);
    socket.end();
    await recordTitle(brain, `after ${nonsense.indexOf(bytes)}`);
  }
  expect(await titlesIn(brain)).toHaveLength(nonsense.length);
  expect((await announcedHost(directory)).pid).toBe(info.pid);
  await brain.close();
});

test('[H10] two hundred connections that say nothing, or half of something, do not keep others from being served', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  const info = await announcedHost(directory);
  const half = encodeFrame(hello(info.secret)).subarray(0, 20);
  const idle = Array.from({ length: 200 }, () => dial(info.socket));
  for (const [number, { socket }] of idle.entries()) if (number % 2 === 0) socket.write(half);
  await waitUntil('all to be connected', async () => {
    const status = await hostStatus({ brainDirectory: directory });
    return status.running && status.clients >= 201;
  });
  await recordTitle(brain, 'among many');
  expect(await titlesIn(brain)).toEqual(['among many']);
  const another = await connect(directory);
  expect(await titlesIn(another)).toEqual(['among many']);
  for (const { socket } of idle) socket.destroy();
  await waitUntil('them to be gone', async () => {
    const status = await hostStatus({ brainDirectory: directory });
    return status.running && status.clients === 2;
  });
  await another.close();
  await brain.close();
});

test('[H10] whatever the umask, everything of a brain is private to its user', async () => {
  const directory = newBrainDirectory();
  const before = process.umask(0);
  const client = startClient({ directory, titles: ['private'] });
  process.umask(before);
  expect(await client.ended).toBe(0);
  expect(client.errors).toEqual([]);
  await waitUntil('all files of a host', () => hostInfoOf(directory) !== undefined);
  // PGlite gives some files in data/ other modes whatever it is told; the directory above keeps everybody out.
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const open = ['.', ...names].filter((name) => {
    const stat = fs.lstatSync(path.join(directory, name), { throwIfNoEntry: false });
    const isShielded = name.startsWith('data/') && stat?.isDirectory() !== true;
    return stat !== undefined && (stat.mode & 0o077) !== 0 && !isShielded;
  });
  expect(open).toEqual([]);
  for (const name of ['lock', 'start.lock', 'host.json', 'host.log', 'host.sock', 'data/PG_VERSION']) {
    expect(fs.existsSync(path.join(directory, name)), name).toBe(true);
  }
});

test('[H10] a directory that others can read is made private before a host serves it', async () => {
  const directory = newBrainDirectory();
  fs.mkdirSync(directory, { mode: 0o755 });
  fs.chmodSync(directory, 0o755);
  const brain = await connect(directory);
  expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
  await brain.close();
});

const LEFT_BEHIND: [string, (directory: string, deadPid: number) => string][] = [
  ['a host that is dead', (directory, pid) => infoText(directory, pid, 'host.sock')],
  ['a plain file for a socket, and a process that is no host', (directory) => infoText(directory, process.pid, 'lock')],
];

function infoText(directory: string, pid: number, socket: string): string {
  const lockId = lockIdOf(placesOf(directory)) ?? '';
  const info: HostInfo = {
    pid,
    version: '0.0.1',
    socket: path.join(directory, socket),
    secret: 'old',
    startedAt: 1,
    lockId,
  };
  return JSON.stringify(info);
}

test('[H10] whatever a host left behind in host.json, the next caller is served', async () => {
  const directory = newBrainDirectory();
  let expected = 0;
  for (const [what, write] of LEFT_BEHIND) {
    const brain = await connect(directory);
    await recordTitle(brain, `before ${what}`);
    await brain.close();
    const { pid } = await announcedHost(directory);
    kill(pid);
    await hasEnded(pid);
    fs.writeFileSync(placesOf(directory).hostInfoFile, write(directory, pid));
    const next = await connect(directory);
    expected += 1;
    expect(await titlesIn(next), what).toHaveLength(expected);
    await next.close();
  }
});

test.each(['', '{"pid":12', 'null', '7', '[]', '{"pid":1,"secret":"x"}', '{"pid":"1","socket":1}', '\u0000\uFFFD'])(
  '[H10] a host.json of %j is as good as none',
  (text) => {
    const directory = newBrainDirectory();
    fs.mkdirSync(directory, { mode: 0o700 });
    fs.writeFileSync(placesOf(directory).hostInfoFile, text);
    expect(hostInfoOf(directory)).toBeUndefined();
  },
);

test('[H1] a brain that was copied while its host runs is served by a host of its own', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'of both');
  const copy = `${directory}-copy`;
  for (const name of fs.readdirSync(directory).filter((each) => each !== 'host.sock')) {
    fs.cpSync(path.join(directory, name), path.join(copy, name), { recursive: true });
  }
  const copied = await connect(copy);
  await recordTitle(copied, 'of the copy');
  await recordTitle(brain, 'of the original');
  expect(await titlesIn(copied)).toEqual(['of both', 'of the copy']);
  expect(await titlesIn(brain)).toEqual(['of both', 'of the original']);
  await copied.close();
  await brain.close();
});

test('[H10] a stranger who listens at the address of a host is not taken for one', async () => {
  const directory = newBrainDirectory();
  fs.mkdirSync(directory, { mode: 0o700 });
  const socketPath = path.join(directory, 'host.sock');
  const stranger = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  await new Promise<void>((resolve) => {
    stranger.listen(socketPath, resolve);
  });
  fs.writeFileSync(placesOf(directory).lockFile, '');
  fs.writeFileSync(placesOf(directory).hostInfoFile, infoText(directory, process.pid, 'host.sock'));
  expect(await outcomeOf(connect(directory))).toEqual({ error: 'host_failed' });
  stranger.close();
});
