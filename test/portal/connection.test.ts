/** The WebSocket from outside: bytes both ways, coming back, bounds, and what a wrong page does. Without tmux. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Connection } from '../../portal/connection.ts';
import { INPUT_FRAME_BYTES_MAX, PROTOCOL_VERSION } from '../../portal/protocol.ts';
import { WINDOW_MAX_BYTES } from '../../portal/window.ts';
import { connect, PortalClient, scratchDirectory, startPortal } from '../support/portal.ts';
import { once } from 'node:events';

const MEBIBYTE = 1024 * 1024;

/** As a program's own terminal would have it: no echo, no line discipline. */
function rawProgram(script: string): [string, ...string[]] {
  return ['sh', '-c', `stty raw -echo; ${script}`];
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Lines with characters of one to four bytes. */
function mixedText(bytes: number): Buffer {
  const line = 'plain ASCII, é, 日本語, 🚀 and 👩‍👩‍👧; \u001b[31mred\u001b[0m\r\n';
  return Buffer.from(line.repeat(Math.ceil(bytes / Buffer.byteLength(line)))).subarray(0, bytes);
}

test('[P1] [P5] 8 MiB arrive as they were written, in frames that end with characters', async () => {
  const file = path.join(scratchDirectory(), 'text');
  const text = mixedText(8 * MEBIBYTE);
  fs.writeFileSync(file, text);
  const portal = await startPortal({ isPlain: true, command: rawProgram(`cat ${file}; printf END; cat`) });
  const client = await connect(portal);
  await client.see('END');
  expect(sha256(client.output.subarray(0, text.length))).toBe(sha256(text));
});

test('[P6] an input of 1 MiB arrives whole and in order at a program that reads late', async () => {
  const portal = await startPortal({
    isPlain: true,
    command: rawProgram(`printf READY; read -r _; head -c ${MEBIBYTE} | sha256sum; cat`),
  });
  const client = await connect(portal);
  await client.see('READY');
  client.type('\n');
  const input = mixedText(MEBIBYTE);
  let credit = 128 * 1024;
  let heard = 0;
  for (let at = 0; at < input.length; at += 16 * 1024) {
    const slice = input.subarray(at, at + 16 * 1024);
    await client.until(() => {
      for (const message of client.messages.slice(heard)) if (message.t === 'took') credit += message.bytes;
      heard = client.messages.length;
      return credit >= slice.length;
    });
    credit -= slice.length;
    client.socket.send(slice);
  }
  await client.see(sha256(input));
});

test('[P6] a program that does not read bounds what its viewer may send', async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('printf READY; exec sleep 1000') });
  const client = await connect(portal);
  await client.see('READY');
  const slice = Buffer.alloc(32 * 1024, 0x61);
  for (let sent = 0; sent < 2 * MEBIBYTE; sent += slice.length) client.socket.send(slice);
  expect(await client.whenClosed()).toMatchObject({ code: 1008 });
});

test('[P2] who comes back gets exactly what it missed', async () => {
  const portal = await startPortal({
    isPlain: true,
    command: rawProgram('printf READY; while read -r word; do printf "[%s]" "$word"; done'),
  });
  const first = await connect(portal, { isAcknowledging: false });
  await first.see('READY');
  first.type('one\n');
  await first.see('[one]');
  const { id, key } = await first.hear('attached');
  first.socket.terminate();
  const second = await connect(portal, { hello: { resume: { id, key, seq: 7 } } });
  expect(await second.hear('attached')).toMatchObject({ id, mode: 'exact', seq: 7 });
  second.type('two\n');
  await second.see('[two]');
  expect(second.output.toString()).toBe('ne][two]');
});

test('[P2] [P7] with a wrong key, a byte that was never sent, or other rights, it gets an attachment of its own', async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('printf HELLO; exec cat') });
  const client = await connect(portal);
  await client.see('HELLO');
  const { id, key } = await client.hear('attached');
  for (const resume of [
    { id, key: 'x'.repeat(24), seq: 1 },
    { id: 'nobody', key, seq: 1 },
    { id, key, seq: 1_000_000 },
  ]) {
    const other = await connect(portal, { hello: { resume } });
    expect(await other.hear('attached')).toMatchObject({ mode: 'fresh', seq: 0 });
    await other.see('HELLO');
    other.socket.terminate();
  }
});

test('[P3] a viewer that stops reading costs a bounded amount, and slows down nobody else', async () => {
  const portal = await startPortal({ isPlain: true, command: ['yes', 'y'.repeat(70)] });
  const stopped = await connect(portal, { isAcknowledging: false });
  await stopped.until(() => stopped.bytes > 64 * 1024);
  stopped.socket.pause();
  const silent = await connect(portal, { isAcknowledging: false });
  const quick = await connect(portal);
  await quick.until(() => {
    if (quick.output.length > MEBIBYTE) quick.clear();
    return quick.bytes > 5 * MEBIBYTE;
  });
  for (const { attachment } of portal.portal.hub.seats) {
    expect(attachment.unacknowledgedBytes).toBeLessThan(attachment.windowBytes + 128 * 1024);
    expect(attachment.windowBytes).toBeLessThanOrEqual(4 * MEBIBYTE);
  }
  // It got its window and one read, while the other got 5 MiB.
  expect(silent.bytes).toBeLessThan(512 * 1024);
  // It wakes up, and goes on where it was.
  silent.acknowledge();
  const seen = silent.bytes;
  await silent.until(() => silent.bytes > seen);
});

test('[P3] a viewer that asks and does not read the answers is let go of', async () => {
  const { portal } = await startPortal({ isPlain: true, command: ['cat'] });
  const said: string[] = [];
  let waitingBytes = 0;
  let closed: string | undefined;
  let seat = (): void => undefined;
  const seated = new Promise<void>((resolve) => (seat = resolve));
  const connection = new Connection({
    hub: portal.hub,
    principal: portal.access.fullPrincipal(),
    session: 'claude',
    viewerName: Promise.resolve(undefined),
    wire: {
      get waitingBytes() {
        return waitingBytes;
      },
      sendText: (text) => void said.push(text),
      sendBytes: () => undefined,
      close: (code, reason) => (closed = `${code} ${reason}`),
    },
    onSeated: () => seat(),
    onFailure: () => undefined,
  });
  const ping = () => {
    said.length = 0;
    connection.text(JSON.stringify({ t: 'ping', id: 1 }));
    return said.length;
  };
  connection.text(JSON.stringify({ t: 'hello', version: PROTOCOL_VERSION, columns: 80, rows: 24 }));
  await seated;
  // All of the largest window on its way is nothing unusual.
  waitingBytes = WINDOW_MAX_BYTES + MEBIBYTE;
  expect([ping(), closed]).toEqual([1, undefined]);
  waitingBytes += 1;
  expect([ping(), closed]).toEqual([0, '1013 what was sent is not read']);
});

/** PORTAL_VIEWERS=1000 takes some seconds. */
const VIEWERS = Number(process.env['PORTAL_VIEWERS'] ?? 80);
const VIEWERS_AT_ONCE = 10;

const WRONG: [what: string, act: (client: PortalClient) => void][] = [
  ['bytes before hello', (client) => client.socket.send(Buffer.from('x'))],
  ['a message before hello', (client) => client.send({ t: 'ack', seq: 0 })],
  ['no JSON', (client) => client.socket.send('{')],
  ['another shape', (client) => client.socket.send('{"t":"hello"}')],
  ['a field too many', (client) => client.socket.send('{"t":"ping","id":1,"x":1}')],
  ['an unknown type', (client) => client.socket.send('{"t":"exec"}')],
  ['a text too long', (client) => client.socket.send(JSON.stringify({ t: 'ping', id: 1, x: 'y'.repeat(9_000) }))],
  ['a size of a million', (client) => client.hello({ columns: 1_000_000 })],
  ['a name with a colon', (client) => client.hello({ session: 'a:b' })],
  ['hello twice', (client) => (client.hello(), client.hello())],
];

test.each(WRONG)('[P7] %s ends the connection and nothing else', async (_what, act) => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('exec cat') });
  const other = await connect(portal);
  const client = new PortalClient(portal.url, { token: portal.token });
  await once(client.socket, 'open');
  act(client);
  expect([1002, 1008]).toContain((await client.whenClosed()).code);
  other.type('still here');
  await other.see('still here');
});

test('[P7] a frame that is too large, or an acknowledgement of what was not sent, ends a viewer that was welcome', async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('exec cat') });
  const large = await connect(portal);
  large.socket.send(Buffer.alloc(INPUT_FRAME_BYTES_MAX + 1));
  expect((await large.whenClosed()).code).toBe(1009);
  const liar = await connect(portal);
  liar.send({ t: 'ack', seq: 12_345 });
  expect((await liar.whenClosed()).code).toBe(1002);
  const twice = await connect(portal);
  twice.hello();
  expect((await twice.whenClosed()).code).toBe(1002);
});

test('[P20] [P7] a page of another version is told to reload', async () => {
  const portal = await startPortal({ isPlain: true });
  const client = new PortalClient(portal.url, { token: portal.token });
  await once(client.socket, 'open');
  client.hello({ version: 99 });
  expect(await client.hear('problem')).toMatchObject({ code: 'unsupported_protocol', hint: 'Reload it.' });
});

test('[P20] a command or directory that is not there is said to the viewer, with the remedy', async () => {
  const missing = await startPortal({ isPlain: true, command: ['no-such-agent'] });
  const client = new PortalClient(missing.url, { token: missing.token });
  await once(client.socket, 'open');
  client.hello();
  const problem = await client.hear('problem');
  expect(problem.message).toContain('"no-such-agent" was not found');
  expect(problem.hint).toContain('--command');
  const nowhere = await startPortal({ isPlain: true, cwd: '/no/such/directory' });
  const other = new PortalClient(nowhere.url, { token: nowhere.token });
  await once(other.socket, 'open');
  other.hello();
  expect((await other.hear('problem')).hint).toContain('--cwd');
});

test('[P8] a portal that ends says so, so that its pages come back', async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('exec cat') });
  const client = await connect(portal);
  await portal.portal.close();
  expect((await client.whenClosed()).code).toBe(1012);
});

test('[P1] the last words of a program come before its end', async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('read -r _; printf LAST; exec sleep 0.2') });
  const client = await connect(portal);
  client.type('\n');
  const ended = await client.hear('ended');
  expect(ended.reason).toBe('ended');
  expect(client.tail).toContain('LAST');
  expect((await client.whenClosed()).code).toBe(1000);
});

test(`[P21] ${VIEWERS} viewers come and go, and leave no process, descriptor or attachment`, async () => {
  const portal = await startPortal({ isPlain: true, command: rawProgram('exec cat'), nowMs: () => Date.now() });
  const warm = await connect(portal);
  warm.socket.terminate();
  const before = fs.readdirSync('/proc/self/fd').length;
  const pids: number[] = [];
  for (let round = 0; round < VIEWERS / VIEWERS_AT_ONCE; round += 1) {
    const clients = await Promise.all(Array.from({ length: VIEWERS_AT_ONCE }, () => connect(portal)));
    for (const client of clients) client.type('x');
    await Promise.all(clients.map((client) => client.see('x')));
    for (const seat of portal.portal.hub.seats) pids.push(seat.attachment.pid);
    for (const client of clients) client.socket.close(1000);
    await Promise.all(clients.map((client) => client.whenClosed()));
    for (const seat of portal.portal.hub.seats) portal.portal.hub.close(seat);
  }
  const isGone = (pid: number) => !fs.existsSync(`/proc/${pid}`);
  while (!pids.every(isGone)) await new Promise((resolve) => setImmediate(resolve));
  while (fs.readdirSync('/proc/self/fd').length > before + 2) await new Promise((resolve) => setImmediate(resolve));
  expect([...portal.portal.hub.seats]).toEqual([]);
});
