/** What comes before the WebSocket: hosts, origins, peers, and handshakes that are none, by the thousand. */
import fc from 'fast-check';
import http from 'node:http';
import net from 'node:net';
import { expect, test } from 'vitest';
import { hostnameOf, isHostAllowed, isOriginAllowed, isPeerAllowed, isTailnet } from '../../portal/names.ts';
import { connect, handshakeStatus, logIn, startPortal } from '../support/portal.ts';

test('[P13] peers are loopback, or of the tailnet to a tailnet address', () => {
  expect(isPeerAllowed('127.0.0.1', '127.0.0.1', false)).toBe(true);
  expect(isPeerAllowed('::ffff:127.0.0.1', '::ffff:127.0.0.1', false)).toBe(true);
  expect(isPeerAllowed('100.64.1.2', '100.101.102.103', false)).toBe(true);
  expect(isPeerAllowed('fd7a:115c:a1e0::1', 'fd7a:115c:a1e0::2', false)).toBe(true);
  expect(isPeerAllowed('192.168.1.5', '100.101.102.103', false)).toBe(false);
  expect(isPeerAllowed('100.64.1.2', '192.168.1.9', false)).toBe(false);
  expect(isPeerAllowed('100.128.0.1', '100.101.102.103', false)).toBe(false);
  expect(isPeerAllowed('fd7a:115c:a1e1::1', 'fd7a:115c:a1e0::2', false)).toBe(false);
  expect(isPeerAllowed(undefined, '127.0.0.1', true)).toBe(false);
  expect(isPeerAllowed('192.168.1.5', '192.168.1.9', true)).toBe(true);
  expect([isTailnet('100.63.255.255'), isTailnet('100.64.0.0'), isTailnet('100.127.255.255')]).toEqual([
    false,
    true,
    true,
  ]);
});

test('[P13] hosts are addresses of the portal or names that it knows, whatever else they hold', () => {
  const known = { names: new Set(['laptop', 'laptop.tail1234.ts.net']), isOpen: false };
  for (const host of [
    'localhost:7799',
    '127.0.0.1',
    '[::1]:7799',
    '100.64.1.2:1',
    '[fd7a:115c:a1e0::1]',
    'LAPTOP:7799',
    'laptop.tail1234.ts.net.',
  ]) {
    expect([host, isHostAllowed(host, known)]).toEqual([host, true]);
  }
  for (const host of [
    undefined,
    '',
    'evil.example',
    '127.0.0.1.nip.io',
    'localhost.evil.example',
    '192.168.1.9',
    'a b',
    '127.0.0.1:7799@evil',
    '[::1',
    'x:y:z',
  ]) {
    expect([host, isHostAllowed(host, known)]).toEqual([host, false]);
  }
  expect(isHostAllowed('192.168.1.9:7799', { ...known, isOpen: true })).toBe(true);
  expect(isHostAllowed('evil.example', { ...known, isOpen: true })).toBe(false);
  fc.assert(fc.property(fc.string(), (text) => void hostnameOf(text)));
});

test('[P13] an origin is that of the host which was asked, to the port', () => {
  expect(isOriginAllowed('http://127.0.0.1:7799', '127.0.0.1:7799')).toBe(true);
  expect(isOriginAllowed('https://laptop.ts.net', 'laptop.ts.net')).toBe(true);
  for (const origin of [
    'null',
    '',
    'http://127.0.0.1:8080',
    'http://127.0.0.1',
    'http://evil.example',
    'file://',
    'http://127.0.0.1:7799.evil',
  ]) {
    expect(isOriginAllowed(origin, '127.0.0.1:7799')).toBe(false);
  }
});

test('[P13] foreign hosts and origins are refused on the page, the login and the handshake', async () => {
  const portal = await startPortal({ isPlain: true });
  const cookie = await logIn(portal);
  const evil = 'http://evil.example';
  const statusWith = (headers: Record<string, string>, method = 'GET', target = '/') =>
    rawStatus(portal.port, target, headers, method);
  expect(await statusWith({ Host: 'evil.example', Cookie: cookie })).toBe(403);
  expect(await statusWith({ Host: 'evil.example' }, 'GET', '/icon.svg')).toBe(403);
  expect(await statusWith({ Host: `127.0.0.1:${portal.port}`, Origin: evil }, 'POST', '/login')).toBe(403);
  expect(await statusWith({ Host: `127.0.0.1:${portal.port}` }, 'POST', '/login')).toBe(403);
  expect(await handshakeStatus(portal.url, { Origin: evil, Cookie: cookie })).toBe(403);
  expect(await handshakeStatus(portal.url, { Origin: evil, Authorization: `Bearer ${portal.token}` })).toBe(403);
  expect(await handshakeStatus(portal.url, { Host: 'evil.example', Origin: evil, Cookie: cookie })).toBe(403);
});

test('[P20] who is refused is told what to do: a browser by a page, a program by a line, and nothing of theirs is in it', async () => {
  const portal = await startPortal({ isPlain: true });
  const ask = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
      http
        .get(`${portal.url}${path}`, { headers }, (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (part: string) => (text += part));
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', text }),
          );
        })
        .on('error', reject);
    });
  const browser = { Accept: 'text/html,*/*;q=0.8' };
  const foreign = await ask('/', { ...browser, Host: 'evil.example' });
  expect(foreign).toMatchObject({ status: 403, type: 'text/html; charset=UTF-8' });
  expect(foreign.text).toContain('--host-name &lt;name>');
  expect(foreign.text).not.toContain('evil');
  const nothing = await ask('/<b>nothing', browser);
  expect(nothing).toMatchObject({ status: 404, type: 'text/html; charset=UTF-8' });
  expect(nothing.text).not.toContain('<b>');
  expect(await ask('/nothing', {})).toMatchObject({
    status: 404,
    text: expect.stringMatching(/^There is nothing here\./) as string,
  });
  for (let count = 0; count < 12; count += 1) await ask('/?token=wrong', browser);
  const limited = await ask('/?token=wrong', browser);
  expect(limited).toMatchObject({ status: 429, text: expect.stringContaining('Try again in a minute') as string });
});

test('[P19] assets are a table: nothing else is reachable by any path', async () => {
  const portal = await startPortal({ isPlain: true });
  const headers = { Host: `127.0.0.1:${portal.port}` };
  for (const target of [
    '/../package.json',
    '/..%2f..%2fpackage.json',
    '/%2e%2e/token',
    '/token',
    '/index.html',
    '/portal.json',
    '//etc/passwd',
    '/icon.svg/../../token',
    '/main.js.gz',
  ]) {
    expect([target, await rawStatus(portal.port, target, headers)]).toEqual([target, 404]);
  }
  expect(await rawStatus(portal.port, '/icon.svg', headers)).toBe(200);
});

test('[P8] the page can be installed: a manifest with its icons, which are what it says of them', async () => {
  const portal = await startPortal({ isPlain: true });
  const answer = await fetch(`${portal.url}/manifest.webmanifest`);
  expect(answer.headers.get('content-type')).toBe('application/manifest+json');
  const manifest = (await answer.json()) as {
    display: string;
    start_url: string;
    icons: { src: string; sizes: string; type: string; purpose: string }[];
  };
  expect(manifest).toMatchObject({ display: 'standalone', start_url: '/' });
  const purposes = new Set(manifest.icons.map(({ purpose, sizes }) => `${purpose} ${sizes}`));
  for (const needed of ['any 192x192', 'any 512x512', 'maskable 512x512']) expect(purposes).toContain(needed);
  for (const { src, sizes, type } of manifest.icons) {
    const icon = await fetch(portal.url + src);
    expect([src, icon.status, icon.headers.get('content-type')]).toEqual([src, 200, type]);
    if (type !== 'image/png') continue;
    const png = Buffer.from(await icon.arrayBuffer());
    expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`).toBe(sizes);
  }
});

test('[P19] the page keeps to itself: no inline script, no foreign host, no frame, no cache', async () => {
  const portal = await startPortal({ isPlain: true });
  const page = await fetch(portal.url, { headers: { Cookie: await logIn(portal) } });
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https?:|unsafe-eval|\*/);
  expect(page.headers.get('x-frame-options')).toBe('DENY');
  expect(page.headers.get('cache-control')).toBe('no-store');
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc="\/)|\son\w+=|https?:\/\//i);
});

const GOOD = [
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

/** Handshakes that no browser sends. `reset`: cut off without reading the answer. */
const BAD: [what: string, request: string, isReset?: boolean][] = [
  ['a path that is no URL', head('GET //', GOOD)],
  ['the same, reset', head('GET //', GOOD), true],
  ['an absolute target', head('GET http://[', GOOD)],
  ['another path', head('GET /wss', GOOD)],
  ['another method', head('POST /ws', GOOD)],
  ['HTTP 1.0', head('GET /ws', GOOD, '1.0')],
  ['no key', head('GET /ws', GOOD.slice(0, 4))],
  ['a key too short', head('GET /ws', [...GOOD.slice(0, 4), 'Sec-WebSocket-Key: abc'])],
  ['another version', head('GET /ws', [...GOOD.slice(0, 3), 'Sec-WebSocket-Version: 8', GOOD[4] ?? ''])],
  ['another protocol to upgrade to', head('GET /ws', [GOOD[0] ?? '', 'Connection: Upgrade', 'Upgrade: h2c'])],
  ['a broken extension', head('GET /ws', [...GOOD, 'Sec-WebSocket-Extensions: ,;=;permessage-deflate; =9'])],
  ['a subprotocol', head('GET /ws', [...GOOD, 'Sec-WebSocket-Protocol: a, a'])],
  ['a body', `${head('GET /ws', [...GOOD, 'Content-Length: 5'])}hello`],
  ['no login, reset', head('GET /ws', GOOD), true],
  ['a query of rubbish', head('GET /ws?%%%<>', GOOD)],
  ['a target too long', head(`GET /ws?${'a'.repeat(5_000)}`, GOOD)],
  ['half a request', 'GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n', true],
  ['no HTTP', '\u0016\u0003\u0001\u0002\u0000', true],
  ['nothing', '', true],
];

function head(line: string, headers: readonly string[], version = '1.1'): string {
  return `${line} HTTP/${version}\r\n${headers.join('\r\n')}\r\n\r\n`;
}

function rawStatus(port: number, target: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return answerTo(port, head(`${method} ${target}`, [...lines, 'Connection: close', 'Content-Length: 0']));
}

async function answerTo(port: number, request: string): Promise<number> {
  const socket = net.connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => (text += part));
  socket.on('error', () => undefined);
  socket.write(request);
  await new Promise((resolve) => socket.once('close', resolve));
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

/** Sends and goes away: by a reset, as a broken network or an attacker does. */
async function sendAndReset(port: number, request: string): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  socket.write(request, () => socket.resetAndDestroy());
  await new Promise((resolve) => socket.once('close', resolve));
}

test.each(BAD.filter(([, , isReset]) => isReset !== true))(
  '[P16] %s is refused with an answer',
  async (_what, request) => {
    const portal = await startPortal({ isPlain: true });
    const status = await answerTo(portal.port, request);
    expect([400, 401, 403]).toContain(status);
  },
);

test('[P16] thousands of malformed, refused, reset and half-open handshakes leave nothing, and a viewer looks on', async () => {
  const portal = await startPortal({ isPlain: true, command: ['cat'] });
  const viewer = await connect(portal);
  const attack = async (rounds: number) => {
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        BAD.flatMap(([, request, isReset]) =>
          isReset === true
            ? [sendAndReset(portal.port, request), sendAndReset(portal.port, request.slice(0, request.length / 2))]
            : [answerTo(portal.port, request), sendAndReset(portal.port, request)],
        ),
      );
    }
  };
  await attack(12);
  const before = process.memoryUsage();
  await attack(80);
  globalThis.gc?.();
  const after = process.memoryUsage();
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(48 * 1024 * 1024);
  expect(portal.portal.pendingHandshakes).toBe(0);
  viewer.type('still looking');
  await viewer.see('still looking');
  expect(portal.logged).toEqual([]);
});
