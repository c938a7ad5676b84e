/**
 * Where to listen: loopback and this machine's addresses on the tailnet, or the one host that was asked for. Follows the
 * tailnet: its addresses come after the portal has started, go, and come back.
 * Invariant: without being asked to, nothing listens on any other address.
 */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { isTailnet } from './names.ts';
import type { Tailscale } from './tailscale.ts';

const IP_TIMEOUT_MS = 2_000;
const LOOPBACKS = ['127.0.0.1', '::1'] as const;

export interface WantedAddress {
  address: string;
  /** Whether the portal is of no use without it. */
  isNeeded: boolean;
}

/** @param host what `--host` says, or undefined for tailnet and loopback */
export async function wantedAddresses(
  host: string | undefined,
  tailscale: Tailscale,
  tailnet: (tailscale: Tailscale) => Promise<string[]> = tailnetAddresses,
): Promise<WantedAddress[]> {
  if (host !== undefined) return [{ address: host, isNeeded: !isTailnet(host) }];
  const found = await tailnet(tailscale);
  return [
    ...LOOPBACKS.map((address) => ({ address, isNeeded: address === LOOPBACKS[0] })),
    ...found.map((address) => ({ address, isNeeded: false })),
  ];
}

/**
 * Asks three: Node leaves out an interface without a carrier, as a tunnel is at times, `ip` is missing on a Mac, and
 * tailscaled's socket may be closed to this user.
 */
export async function tailnetAddresses(tailscale: Tailscale): Promise<string[]> {
  const [fromIp, self] = await Promise.all([addressesOfIp(), tailscale.self()]);
  const fromNode = Object.values(os.networkInterfaces()).flatMap((entries) =>
    (entries ?? []).map(({ address }) => address),
  );
  // What tailscaled names is only bound where the interface has it: listening says so otherwise, and is tried again.
  return [...new Set([...fromNode, ...fromIp, ...(self?.addresses ?? [])])].filter(isTailnet).sort();
}

function addressesOfIp(): Promise<string[]> {
  if (process.platform !== 'linux') return Promise.resolve([]);
  return new Promise((resolve) => {
    execFile('ip', ['-o', 'addr', 'show'], { timeout: IP_TIMEOUT_MS }, (error, out) => {
      if (error !== null) return resolve([]); // Not installed: the two others are asked.
      resolve([...out.matchAll(/ inet6? ([0-9a-f.:]+)\//g)].map((match) => match[1] ?? ''));
    });
  });
}
