/**
 * Who may talk to the portal at all, before any token is looked at: peers by address, requests by Host and Origin. Pure.
 * A page of another origin, a name that was pointed here (DNS rebinding) and a neighbour on the wireless network are
 * refused alike.
 */
import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** What Tailscale gives to devices. */
const TAILNET = new BlockList();
TAILNET.addSubnet('100.64.0.0', 10);
TAILNET.addSubnet('fd7a:115c:a1e0::', 48, 'ipv6');

export function isLoopback(address: string): boolean {
  return isIn(LOOPBACK, address);
}

export function isTailnet(address: string): boolean {
  return isIn(TAILNET, address);
}

/** An IPv4 address that came through an IPv6 socket, as what it is. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}

function isIn(list: BlockList, address: string): boolean {
  const plain = plainAddress(address);
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Whether a peer may connect. Where the portal listens on tailnet and loopback, a packet from elsewhere that reached the
 * address by another interface is refused, and so is a tailnet address that came to another than the tailnet's.
 */
export function isPeerAllowed(peer: string | undefined, local: string | undefined, isOpen: boolean): boolean {
  if (peer === undefined || local === undefined) return false;
  if (isOpen || isLoopback(peer)) return true;
  return isTailnet(peer) && isTailnet(local);
}

/** `name` or `address`, lower case, without brackets; undefined where the header is none or has more in it. */
export function hostnameOf(host: string | undefined): string | undefined {
  if (host === undefined || host.length > 260) return undefined;
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '');
}

export interface KnownNames {
  /** Names of this machine: its host name, its name on the tailnet, what the user added. Lower case. */
  names: ReadonlySet<string>;
  /** Any address of this machine will do: it listens on all of them. */
  isOpen: boolean;
}

/** Whether the Host header names this portal: an address that a peer can only have from us, or a name we know. */
export function isHostAllowed(host: string | undefined, { names, isOpen }: KnownNames): boolean {
  const hostname = hostnameOf(host);
  if (hostname === undefined) return false;
  if (hostname === 'localhost' || names.has(hostname) || isLoopback(hostname) || isTailnet(hostname)) return true;
  return isOpen && isIP(hostname) !== 0;
}

/** Whether a page of this portal asked: its Origin is the Host that it was asked at. */
export function isOriginAllowed(origin: string, host: string | undefined): boolean {
  const place = host?.toLowerCase();
  return place !== undefined && [`http://${place}`, `https://${place}`].includes(origin.toLowerCase());
}
