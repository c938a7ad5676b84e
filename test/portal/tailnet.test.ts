/** Where the portal listens and whom it knows: with a stand-in for tailscaled, and in a network namespace of its own. */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { wantedAddresses } from '../../portal/addresses.ts';
import { Tailscale } from '../../portal/tailscale.ts';
import { connect, logIn, scratchDirectory, startPortal } from '../support/portal.ts';
import { startLocalApi } from '../support/tailscaled.ts';

const child = fileURLToPath(new URL('../support/portal-tailnet-child.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Namespaces and tunnels are root's, on Linux. */
const HAS_NAMESPACES =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  spawnSync('unshare', ['-n', 'ip', 'tuntap', 'add', 'dev', 'try0', 'mode', 'tun']).status === 0;

async function localApi(accounts: Record<string, string> = {}): Promise<{ socket: string; tailscale: Tailscale }> {
  const socket = path.join(scratchDirectory(), 'tailscaled.sock');
  const { server } = await startLocalApi(socket, accounts);
  onTestFinished(() => void server.close());
  return { socket, tailscale: new Tailscale(socket) };
}

test('[P17] without being asked otherwise it listens on loopback and tailnet, and nowhere else', async () => {
  const { tailscale } = await localApi();
  const found = ['100.101.102.103', 'fd7a:115c:a1e0::1234'];
  const addresses = async (host?: string) =>
    (await wantedAddresses(host, tailscale, async () => found)).map(({ address }) => address);
  expect(await addresses()).toEqual(['127.0.0.1', '::1', ...found]);
  expect(await addresses('0.0.0.0')).toEqual(['0.0.0.0']);
  expect(await addresses('100.64.1.2')).toEqual(['100.64.1.2']);
});

test('[P22] tailscaled tells whose device a peer is, and its silence, absence or rubbish is no failure', async () => {
  const { tailscale } = await localApi({ '100.64.0.9': 'ada@example.org' });
  expect(await tailscale.whois('100.64.0.9', 1234)).toEqual({ login: 'ada@example.org', device: 'phone' });
  expect(await tailscale.whois('100.64.0.10', 1234)).toBeUndefined();
  expect(await tailscale.self()).toEqual({ addresses: ['100.64.0.9'], name: 'laptop.tail1234.ts.net' });
  expect(await new Tailscale('/no/such/socket').whois('100.64.0.9', 1)).toBeUndefined();
  for (const body of [
    '',
    'null',
    '{',
    '[]',
    '{"Node":1}',
    JSON.stringify({ Self: { TailscaleIPs: 7 } }),
    'x'.repeat(2_000_000),
  ]) {
    const socket = path.join(scratchDirectory(), 'rubbish.sock');
    const server = http.createServer((_request, response) => void response.end(body)).listen(socket);
    await once(server, 'listening');
    const rubbish = new Tailscale(socket);
    expect([await rubbish.whois('100.64.0.9', 1), await rubbish.self()]).toEqual([undefined, undefined]);
    server.close();
  }
});

test('[P22] [P13] behind tailscale serve the account is that of its header, and the name that of the tailnet', async () => {
  const { tailscale } = await localApi();
  const portal = await startPortal({ isPlain: true, tailscale, allowed: ['ada@example.org'] });
  const cookie = await logIn(portal);
  const status = async (headers: Record<string, string>) => {
    const request = http.get(portal.url, { headers: { Cookie: cookie, ...headers } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    return response.statusCode;
  };
  const proxied = { Host: 'laptop.tail1234.ts.net', 'X-Forwarded-For': '100.64.0.9' };
  expect(await status({ ...proxied, 'Tailscale-User-Login': 'ada@example.org' })).toBe(200);
  expect(await status({ ...proxied, 'Tailscale-User-Login': 'eve@example.org' })).toBe(403);
  expect(await status(proxied)).toBe(403);
  expect(await status({})).toBe(200);
  const client = await connect(portal, {
    headers: { ...proxied, 'Tailscale-User-Login': 'ada@example.org' },
  });
  expect((await client.hear('attached')).viewer).toBe('ada@example.org');
  expect((await portal.portal.status()).viewers).toMatchObject([{ login: 'ada@example.org' }]);
});

test.skipIf(!HAS_NAMESPACES)(
  '[P17] [P22] [P13] in a network of its own it follows the tailnet and refuses its neighbours',
  async () => {
    const { stdout } = await promisify(execFile)('unshare', ['-n', process.execPath, '--import', 'tsx', child], {
      cwd: root,
    });
    expect(JSON.parse(stdout)).toEqual({
      without: {
        addresses: ['http://127.0.0.1:7799/', 'http://[::1]:7799/'],
        problems: ['No tailnet address: only this machine can reach the portal until "tailscale up".'],
      },
      problems: [],
      fromTailnet: '401',
      fromTailnet6: '401',
      fromNeighbour: 'closed',
      toNeighbour: 'ECONNREFUSED',
      fromLoopback: '401',
      again: '401',
      allowed: '401',
      notAllowed: '403',
      thisMachine: '401',
    });
  },
);
