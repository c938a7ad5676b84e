/** Tokens, cookies and links, and how they get in: over HTTP and on the handshake. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Access, isSameSecret } from '../../portal/access.ts';
import { AuditLog } from '../../portal/audit.ts';
import { connect, handshakeStatus, logIn, PortalClient, scratchDirectory, startPortal } from '../support/portal.ts';
import { once } from 'node:events';

test('[P12] the token is made once, 48 characters, for its owner alone; a broken one is replaced', () => {
  const directory = scratchDirectory();
  const { token } = new Access(directory, Date.now);
  expect(token).toMatch(/^[A-Za-z0-9]{48}$/);
  expect(new Access(directory, Date.now).token).toBe(token);
  const file = path.join(directory, 'token');
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  fs.chmodSync(file, 0o644);
  expect(new Access(directory, Date.now).token).toBe(token);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  fs.writeFileSync(file, 'short\n');
  expect(new Access(directory, Date.now).token).toMatch(/^[A-Za-z0-9]{48}$/);
});

test('[P11] secrets are compared by hash and in constant time, by construction', () => {
  const source = fs.readFileSync(new URL('../../portal/access.ts', import.meta.url), 'utf8');
  expect(source).toMatch(/timingSafeEqual\(one, other\)/);
  expect(source).not.toMatch(/(?:token|secret|signature)\s*===/i);
  expect(isSameSecret('a', 'a')).toBe(true);
  expect(isSameSecret('a', 'b')).toBe(false);
  expect(isSameSecret('', 'a')).toBe(false);
});

test('[P11] [P14] a cookie is good until it expires or the token is another, and none can be made or changed', () => {
  let nowMs = 1_000_000;
  const access = new Access(scratchDirectory(), () => nowMs);
  const cookie = access.cookieOf(access.fullPrincipal());
  expect(access.principalOf(cookie)).toMatchObject({ isReadOnly: false });
  expect(access.principalOf(undefined)).toBeUndefined();
  for (const forged of [
    '',
    '.',
    'a.b',
    cookie.slice(1),
    `${cookie}x`,
    `${cookie.split('.')[0]}.`,
    'x'.repeat(10_000),
  ]) {
    expect(access.principalOf(forged)).toBeUndefined();
  }
  const looking = access.cookieOf({ isReadOnly: true, session: 'claude', expiresMs: nowMs + 1000 });
  const [body = ''] = looking.split('.');
  const stronger = Buffer.from(body, 'base64url').toString().replace('"look"', '"full"');
  const forged = `${Buffer.from(stronger).toString('base64url')}.${looking.split('.')[1]}`;
  expect(access.principalOf(forged)).toBeUndefined();
  nowMs += 1001;
  expect(access.principalOf(looking)).toBeUndefined();
  expect(access.principalOf(cookie)).toBeDefined();
  access.rotate();
  expect(access.principalOf(cookie)).toBeUndefined();
});

test('[P15] a link is good once, before it expires, and is kept as its hash alone', () => {
  let nowMs = 1_000_000;
  const directory = scratchDirectory();
  const access = new Access(directory, () => nowMs);
  const { secret, expiresMs } = access.share('claude', 60_000);
  expect(fs.readFileSync(path.join(directory, 'shares.json'), 'utf8')).not.toContain(secret);
  expect(fs.statSync(path.join(directory, 'shares.json')).mode & 0o777).toBe(0o600);
  expect(access.useShare('wrong')).toBeUndefined();
  expect(access.useShare(secret)).toEqual({ isReadOnly: true, session: 'claude', expiresMs });
  expect(access.useShare(secret)).toBeUndefined();
  const late = access.share('claude', 60_000);
  nowMs += 60_001;
  expect(access.useShare(late.secret)).toBeUndefined();
  const ended = access.share('claude', 60_000);
  access.rotate();
  expect(access.useShare(ended.secret)).toBeUndefined();
});

test.skipIf(process.getuid?.() !== 0)('[P12] another local user reads neither token nor log', async () => {
  const portal = await startPortal({ isPlain: true });
  fs.chmodSync(portal.directory, 0o700);
  for (const name of ['token', 'audit.log']) {
    const file = path.join(portal.directory, name);
    expect(fs.statSync(file).mode & 0o077).toBe(0);
    const read = () => execFileSync('cat', [file], { uid: 65_534, gid: 65_534, stdio: 'pipe' });
    expect(read).toThrow('Permission denied');
  }
});

test('[P11] without a login there is neither page nor handshake', async () => {
  const portal = await startPortal({ isPlain: true });
  for (const query of ['', '?token=', '?token=wrong', '?token=a&token=b', '?share=wrong']) {
    const response = await fetch(`${portal.url}/${query}`);
    expect(response.status).toBe(401);
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(await response.text()).not.toContain('<script');
  }
  const origin = portal.url;
  expect(await handshakeStatus(portal.url, {})).toBe(401);
  expect(await handshakeStatus(portal.url, { Origin: origin })).toBe(401);
  expect(await handshakeStatus(portal.url, { Origin: origin, Cookie: 'sm_portal_0=forged.cookie' })).toBe(401);
  expect(await handshakeStatus(portal.url, {}, '?token=wrong')).toBe(401);
  expect(await handshakeStatus(portal.url, { Authorization: 'Bearer wrong' })).toBe(401);
  const cookie = await logIn(portal);
  expect(await handshakeStatus(portal.url, { Origin: origin, Cookie: cookie })).toBeUndefined();
  // A cookie without an origin is no page of ours.
  expect(await handshakeStatus(portal.url, { Cookie: cookie })).toBe(401);
  expect(await handshakeStatus(portal.url, {}, `?token=${portal.token}`)).toBeUndefined();
});

test('[P12] the token is exchanged for a cookie that scripts and other sites do not get, and appears nowhere', async () => {
  const portal = await startPortal({ isPlain: true });
  const response = await fetch(`${portal.url}/?token=${portal.token}`);
  const set = response.headers.get('set-cookie') ?? '';
  expect(set).toMatch(/; HttpOnly/);
  expect(set).toMatch(/; SameSite=Strict/);
  expect(response.headers.get('referrer-policy')).toBe('strict-origin');
  expect(response.headers.get('cache-control')).toBe('no-store');
  const cookie = set.split(';')[0] ?? '';
  const page = await fetch(portal.url, { headers: { Cookie: cookie } });
  expect(page.status).toBe(200);
  const everything = [
    set,
    JSON.stringify([...response.headers, ...page.headers]),
    await response.text(),
    await page.text(),
    fs.readFileSync(path.join(portal.directory, 'audit.log'), 'utf8'),
    portal.logged.join('\n'),
  ];
  for (const text of everything) expect(text).not.toContain(portal.token);
});

test('[P11] wrong tokens are limited, on the page and on the handshake together, and right ones wait as well', async () => {
  const portal = await startPortal({ isPlain: true });
  const tryToken = async (token: string) => (await fetch(`${portal.url}/?token=${token}`)).status;
  const outcomes: number[] = [];
  for (let count = 0; count < 14; count += 1) outcomes.push(await tryToken(`wrong${count}`));
  expect(outcomes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401));
  expect(outcomes.at(-1)).toBe(429);
  expect(await tryToken(portal.token)).toBe(429);
  expect(await handshakeStatus(portal.url, {}, `?token=${portal.token}`)).toBe(429);
});

test('[P14] another token ends open connections, cookies and links at once', async () => {
  const portal = await startPortal({ isPlain: true, command: ['cat'] });
  const cookie = await logIn(portal);
  const client = await connect(portal);
  const { id, key } = await client.hear('attached');
  const link = portal.portal.share('claude', 60_000);
  const token = portal.portal.rotate();
  expect((await client.whenClosed()).code).toBe(4401);
  expect(await handshakeStatus(portal.url, { Origin: portal.url, Cookie: cookie })).toBe(401);
  expect((await fetch(`${portal.url}/?share=${link.secret}`)).status).toBe(401);
  expect(await handshakeStatus(portal.url, {}, `?token=${portal.token}`)).toBe(401);
  const again = await connect({ url: portal.url, token }, { hello: { resume: { id, key, seq: 0 } } });
  expect((await again.hear('attached')).mode).toBe('fresh');
});

test('[P15] a link lets look at its session and do nothing, and ends when it expires', async () => {
  const portal = await startPortal();
  const writer = await connect(portal);
  await writer.see('PROMPT');
  const { secret } = portal.portal.share('claude', 3_600_000);
  const response = await fetch(`${portal.url}/?share=${secret}`);
  expect(response.status).toBe(200);
  expect((await fetch(`${portal.url}/?share=${secret}`)).status).toBe(401);
  const cookie = (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const looking = new PortalClient(portal.url, { headers: { Origin: portal.url, Cookie: cookie } });
  await once(looking.socket, 'open');
  looking.hello();
  expect(await looking.hear('attached')).toMatchObject({ isReadOnly: true, session: 'claude' });
  looking.type('echo no$((1+1))pe\r');
  looking.send({ t: 'take' });
  looking.send({ t: 'end', name: 'claude' });
  expect(await looking.hear('problem')).toMatchObject({ code: 'forbidden' });
  writer.type('echo y$((1+1))s\r');
  await looking.see('y2s');
  expect(looking.tail).not.toContain('no2pe');
  looking.send({ t: 'list' });
  expect(await looking.hear('sessions')).toMatchObject({ canChange: false });
  const elsewhere = new PortalClient(portal.url, { headers: { Origin: portal.url, Cookie: cookie } });
  await once(elsewhere.socket, 'open');
  elsewhere.hello({ session: 'other' });
  expect(await elsewhere.hear('problem')).toMatchObject({ code: 'forbidden' });
});

test('[P15] a link to a session that has ended starts nothing', async () => {
  const portal = await startPortal();
  const other = await connect(portal, { hello: { session: 'other' } });
  await other.see('PROMPT');
  const principal = { isReadOnly: true, session: 'claude', expiresMs: Date.now() + 3_600_000 };
  const cookie = `sm_portal_0=${portal.portal.access.cookieOf(principal)}`;
  const looking = new PortalClient(portal.url, { headers: { Origin: portal.url, Cookie: cookie } });
  await once(looking.socket, 'open');
  looking.hello();
  expect(await looking.hear('problem')).toMatchObject({ code: 'not_found' });
  expect((await looking.whenClosed()).code).toBe(1008);
  expect((await portal.tmux('list-sessions', '-F', '#{session_name}')).trim()).toBe('other');
});

test('[P15] [P14] a login that expires while it is open is ended', async () => {
  const portal = await startPortal({ isPlain: true, command: ['cat'] });
  const cookie = portal.portal.access.cookieOf({ isReadOnly: true, session: 'claude', expiresMs: Date.now() + 300 });
  const client = new PortalClient(portal.url, { headers: { Origin: portal.url, Cookie: `sm_portal_0=${cookie}` } });
  await once(client.socket, 'open');
  client.hello();
  expect((await client.whenClosed()).code).toBe(4401);
});

test('[P15] a portal that is read-only lets nobody type', async () => {
  const portal = await startPortal({ isPlain: true, isReadOnly: true, command: ['sh', '-c', 'printf HERE; exec cat'] });
  const client = await connect(portal);
  expect((await client.hear('attached')).isReadOnly).toBe(true);
  await client.see('HERE');
  client.type('typed');
  client.send({ t: 'ping', id: 1 });
  await client.hear('pong');
  expect(client.tail).not.toContain('typed');
});

test('[P12] the audit log tells who came, holds no control character, and is of bounded size', () => {
  const directory = scratchDirectory();
  let nowMs = 0;
  const log = new AuditLog(
    directory,
    () => nowMs,
    (message) => complaints.push(message),
  );
  const complaints: string[] = [];
  log.write('connected', { agent: `\u001b[31m\n${'x'.repeat(1_000)}` });
  const file = path.join(directory, 'audit.log');
  const line = fs.readFileSync(file, 'utf8');
  expect(JSON.parse(line)).toMatchObject({ event: 'connected' });
  expect(line).not.toMatch(/\\u001b|\u001b/);
  expect(line.length).toBeLessThan(400);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  for (let count = 0; count < 1_000; count += 1) log.write('refused', { why: 'host' });
  nowMs = 60_000;
  log.write('login refused', {});
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(63);
  expect(JSON.parse(lines[61] ?? '')).toMatchObject({ event: 'refused', more: 940 });
  for (let count = 0; count < 20_000; count += 1) log.write('disconnected', { session: 'y'.repeat(190) });
  expect(fs.statSync(file).size).toBeLessThan(4 * 1024 * 1024);
  expect(fs.existsSync(`${file}.1`)).toBe(true);
  expect(complaints).toEqual([]);
  fs.rmSync(directory, { recursive: true });
  for (let count = 0; count < 3; count += 1) log.write('connected', {});
  expect(complaints).toHaveLength(1);
});
