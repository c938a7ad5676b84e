/** The account of the configuration, and the addresses of servers (lib/scope/account.ts). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { refuseBlockedPort } from '../../lib/core/ports.ts';
import { accountOf, isExposed, parseEndpoint } from '../../lib/scope/account.ts';

const parse = (text: string) => parseEndpoint(text, '--url', 'bad_request');

test.each([
  ['https://sync.example.org', 'https://sync.example.org'],
  [' HTTPS://Sync.Example.ORG:443/ ', 'https://sync.example.org'],
  ['http://127.0.0.1:8787/v1/', 'http://127.0.0.1:8787'],
  ['http://[::1]:8787/v1', 'http://[::1]:8787'],
  ['https://bücher.example', 'https://xn--bcher-kva.example'],
])('[S18] the address %s is %s', (text, expected) => {
  expect(parse(text)).toBe(expected);
});

test.each([
  '',
  'sync.example.org',
  'ftp://sync.example.org',
  'javascript:alert(1)',
  'https://',
  'https://ada:hunter2@sync.example.org',
  'https://sync.example.org/hunter2',
  'https://sync.example.org/?hunter2',
  'https://sync.example.org/#hunter2',
  'https://sync.example.org:99999',
])('[S18] the address %j is refused without being repeated', (text) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'bad_request', details: { field: '--url' } }));
  try {
    parse(text);
  } catch (error) {
    expect(JSON.stringify(error)).not.toContain('hunter2');
  }
});

test('[S18] an address that was taken is taken again, and is the same', () => {
  fc.assert(
    fc.property(fc.webUrl({ withFragments: false, withQueryParameters: false }), (text) => {
      const endpoint = parse(new URL(text).origin);
      expect(parse(endpoint)).toBe(endpoint);
      expect(endpoint).not.toMatch(/\/$/);
    }),
  );
});

test.each([
  'https://sync.example.org',
  'http://localhost:1',
  'http://a.localhost',
  'http://127.9.9.9',
  'http://10.0.0.1',
  'http://172.31.0.1',
  'http://192.168.1.1',
  'http://100.64.0.1',
  'http://100.127.255.255',
  'http://[::1]:1',
  'http://[fd7a:115c:a1e0::1]',
  'http://[fe80::1]',
  'http://box.tail1234.ts.net',
  'http://box.local',
  'http://server:8787',
])('[S18] %s is not exposed', (endpoint) => {
  expect(isExposed(endpoint)).toBe(false);
});

test.each([
  'http://sync.example.org',
  'http://8.8.8.8',
  'http://172.32.0.1',
  'http://100.63.255.255',
  'http://100.128.0.1',
  'http://10.evil.example',
  'http://127.0.0.1.evil.example',
  'http://localhost.evil.example',
  'http://[2001:db8::1]',
])('[S18] %s is exposed', (endpoint) => {
  expect(isExposed(endpoint)).toBe(true);
});

test('[S18] an account is what the configuration says, and without one it is empty', () => {
  expect(accountOf({})).toEqual({ workspaceId: '', isAutomatic: true });
  expect(accountOf({ auth: { apiKey: ' ', workspaceId: ' w ' }, sync: { auto: false } })).toEqual({
    workspaceId: 'w',
    isAutomatic: false,
  });
  const auth = {
    apiKey: 'k',
    apiUrl: 'https://sync.example.org/v1',
    projectId: 'p',
    workspaceId: 'w',
    email: 'a@b.c',
  };
  expect(accountOf({ auth })).toEqual({
    apiKey: 'k',
    endpoint: 'https://sync.example.org',
    projectId: 'p',
    workspaceId: 'w',
    email: 'a@b.c',
    isAutomatic: true,
  });
  expect(() => accountOf({ auth: { apiUrl: 'https://a:b@c.example' } })).toThrow(/auth\.apiUrl/);
});

test('[S18] the ports that are refused are those to which fetch does not connect', async () => {
  const isRefused = (port: number): boolean => {
    try {
      refuseBlockedPort(String(port), { source: '--port', hint: '' });
      return false;
    } catch {
      return true;
    }
  };
  const blocked = Array.from({ length: 65_535 }, (_, index) => index + 1).filter(isRefused);
  expect(blocked).toHaveLength(82);
  for (const port of blocked) {
    const refusal = fetch(`http://127.0.0.1:${port}/`).catch((error: Error) => (error.cause as Error).message);
    expect({ port, refusal: await refusal }).toEqual({ port, refusal: 'bad port' });
    expect(() => parseEndpoint(`https://sync.example.org:${port}`, 'auth.apiUrl', 'config_invalid')).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(`port ${port},`) }),
    );
  }
});
