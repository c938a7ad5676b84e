/** Web Push: who may ask for it, what is sent and to whom, and that only that browser can read it. */
import { createECDH, createPublicKey, randomBytes, verify } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Push } from '../../portal/push.ts';
import { connect, scratchDirectory, startPortal } from '../support/portal.ts';

const { decrypt } = createRequire(createRequire(import.meta.url).resolve('web-push'))('http_ece') as {
  decrypt: (body: Buffer, options: object) => Buffer;
};

/** A browser: the keys of its subscription, and what its service was handed for it. */
function newBrowser(endpoint = 'https://push.example.org/send/1') {
  const privateKey = createECDH('prime256v1');
  const auth = randomBytes(16).toString('base64url');
  const subscription = { endpoint, keys: { p256dh: privateKey.generateKeys('base64url'), auth } };
  const read = (body: Uint8Array): unknown =>
    JSON.parse(decrypt(Buffer.from(body), { version: 'aes128gcm', privateKey, authSecret: auth }).toString('utf8'));
  return { subscription, read };
}

function newPush(status = 201) {
  const directory = scratchDirectory();
  const sent: { address: string; headers: Record<string, string>; body: Uint8Array }[] = [];
  const logged: string[] = [];
  const clock = { nowMs: 1_750_000_000_000 };
  const rim = {
    fetch: (address: string, init: RequestInit) => {
      sent.push({ address, headers: init.headers as Record<string, string>, body: init.body as Uint8Array });
      return Promise.resolve({ status });
    },
    nowMs: () => clock.nowMs,
    log: (message: string) => logged.push(message),
  };
  return { push: new Push(directory, rim), directory, sent, logged, clock, rim };
}

const attention = { kind: 'waits' as const, text: 'Delete it all? [y/N]', atMs: 0 };

test('[P27] what is sent is for that browser alone, and signed with the portal’s own key', async () => {
  const { push, directory, sent, rim } = newPush();
  const browser = newBrowser();
  push.subscribe(browser.subscription, 'https://box.tail1234.ts.net');
  await push.tell('claude', attention);
  const [{ address, headers, body } = { address: '', headers: {}, body: new Uint8Array() }] = sent;
  expect(address).toBe(browser.subscription.endpoint);
  expect(browser.read(body)).toEqual({ session: 'claude', kind: 'waits', text: attention.text });
  expect(Buffer.from(body).includes('Delete')).toBe(false);
  const [, token = '', key = ''] = /^vapid t=([^,]+), k=(.+)$/.exec(headers['Authorization'] ?? '') ?? [];
  expect(key).toBe(push.publicKey);
  const [head = '', claims = '', signature = ''] = token.split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    aud: 'https://push.example.org',
    sub: 'https://box.tail1234.ts.net',
  });
  const point = Buffer.from(key, 'base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
  const signedBy = createPublicKey({ key: jwk, format: 'jwk' });
  const data = Buffer.from(`${head}.${claims}`);
  expect(
    verify('sha256', data, { key: signedBy, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')),
  ).toBe(true);
  const file = path.join(directory, 'push.json');
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  const again = new Push(directory, rim);
  expect([again.publicKey, again.subscriptions]).toEqual([push.publicKey, 1]);
});

test('[P27] a browser that took it back is forgotten, a service that fails is logged without what was sent', async () => {
  const gone = newPush(410);
  gone.push.subscribe(newBrowser().subscription, 'https://a.example');
  await gone.push.tell('claude', attention);
  expect(gone.push.subscriptions).toBe(0);
  const failing = newPush(500);
  failing.push.subscribe(newBrowser('https://push.example.org/secret-address').subscription, 'https://a.example');
  await failing.push.tell('claude', attention);
  expect(failing.push.subscriptions).toBe(1);
  expect(failing.logged).toEqual(['a push by push.example.org failed: answered 500']);
});

test('[P27] a session tells once in a while, and so many browsers at most', async () => {
  const { push, sent, clock } = newPush();
  for (let number = 0; number < 30; number += 1) {
    push.subscribe(newBrowser(`https://push.example.org/${number}`).subscription, 'https://a.example');
  }
  expect(push.subscriptions).toBe(20);
  await push.tell('claude', attention);
  await push.tell('claude', attention);
  expect(sent).toHaveLength(20);
  await push.tell('other', attention);
  expect(sent).toHaveLength(40);
  clock.nowMs += 10_000;
  await push.tell('claude', attention);
  expect(sent).toHaveLength(60);
});

test('[P27] pushes are asked for by who is logged in, from HTTPS; another token ends them; what a session wants is pushed', async () => {
  const sent: Uint8Array[] = [];
  const pushFetch = (_address: string, init: RequestInit) => {
    sent.push(init.body as Uint8Array);
    return Promise.resolve({ status: 201 });
  };
  const portal = await startPortal({ hostNames: ['box.tail1234.ts.net'], pushFetch });
  const ask = (cookie: string, body: unknown, origin = 'https://box.tail1234.ts.net', what = 'subscribe') =>
    fetch(`${portal.url}/api/push/${what}`, {
      method: 'POST',
      headers: { cookie, origin, host: 'box.tail1234.ts.net', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then(({ status }) => status);
  const login = await fetch(`${portal.url}/?token=${portal.token}`);
  const cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const browser = newBrowser();
  expect(await ask('', browser.subscription, portal.url)).toBe(401);
  expect(await ask(cookie, browser.subscription, portal.url)).toBe(400);
  for (const endpoint of ['http://push.example.org/x', 'file:///etc/passwd', 'https://']) {
    expect(await ask(cookie, { ...browser.subscription, endpoint }, portal.url)).toBe(400);
  }
  portal.portal.push.subscribe(browser.subscription, 'https://box.tail1234.ts.net');
  const client = await connect(portal);
  await client.see('PROMPT');
  while (!(await portal.tmux('list-clients', '-F', '#{client_control_mode}')).includes('1'));
  client.type(String.raw`printf '\033]9;Done\007'` + '\r');
  while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(browser.read(sent[0] ?? new Uint8Array())).toEqual({ session: 'claude', kind: 'notice', text: 'Done' });
  portal.portal.rotate();
  expect(portal.portal.push.subscriptions).toBe(0);
});
