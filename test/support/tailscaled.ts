/** A stand-in for tailscaled's local socket: status, whois, and the Host that it insists on. */
import { once } from 'node:events';
import http from 'node:http';

export interface LocalApi {
  server: http.Server;
  /** What it says are this machine's addresses. */
  addresses: string[];
}

/** @param accounts whose device an address is */
export async function startLocalApi(socket: string, accounts: Readonly<Record<string, string>>): Promise<LocalApi> {
  const api: LocalApi = { server: http.createServer(answer), addresses: Object.keys(accounts).slice(0, 1) };
  function answer({ headers, url }: http.IncomingMessage, response: http.ServerResponse): void {
    const { pathname, searchParams } = new URL(url ?? '/', 'http://x');
    const say = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (headers.host !== 'local-tailscaled.sock') return say(403, 'invalid localapi request');
    if (pathname === '/localapi/v0/status')
      return say(200, { Self: { TailscaleIPs: api.addresses, DNSName: 'laptop.tail1234.ts.net.' } });
    const address = (searchParams.get('addr') ?? '').replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
    const login = accounts[address];
    if (pathname !== '/localapi/v0/whois' || login === undefined) return say(404, 'no match for IP:port');
    say(200, { Node: { Name: 'phone.tail1234.ts.net.', ComputedName: 'phone' }, UserProfile: { LoginName: login } });
  }
  api.server.listen(socket);
  await once(api.server, 'listening');
  return api;
}
