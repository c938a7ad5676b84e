/**
 * What tailscaled's local socket tells: who a peer is, and by which names and addresses this machine goes. It may be
 * missing, slow or wrong: then nothing is known, which is no failure.
 */
import http from 'node:http';
import * as v from 'valibot';

export const TAILSCALED_SOCKET = '/var/run/tailscale/tailscaled.sock';
const CALL_TIMEOUT_MS = 1_500;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** The only Host that it answers to. */
const HOST = 'local-tailscaled.sock';

export interface Whois {
  /** The account, such as `ada@example.org`, or `tagged-devices`. */
  login: string;
  device: string;
}

export interface TailnetSelf {
  addresses: string[];
  /** `machine.tailnet.ts.net`, lower case, without the last dot. */
  name?: string;
}

const whoisSchema = v.object({
  Node: v.object({ Name: v.optional(v.string(), ''), ComputedName: v.optional(v.string()) }),
  UserProfile: v.object({ LoginName: v.pipe(v.string(), v.maxLength(320)) }),
});
const statusSchema = v.object({
  Self: v.object({ TailscaleIPs: v.nullish(v.array(v.string())), DNSName: v.optional(v.string(), '') }),
});

export class Tailscale {
  readonly #socketPath: string;

  constructor(socketPath: string = TAILSCALED_SOCKET) {
    this.#socketPath = socketPath;
  }

  async whois(address: string, port: number): Promise<Whois | undefined> {
    const place = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const answer = v.safeParse(whoisSchema, await this.#get(`/localapi/v0/whois?addr=${encodeURIComponent(place)}`));
    if (!answer.success) return undefined;
    const { Node, UserProfile } = answer.output;
    return { login: UserProfile.LoginName, device: Node.ComputedName ?? Node.Name.replace(/\..*$/, '') };
  }

  async self(): Promise<TailnetSelf | undefined> {
    const answer = v.safeParse(statusSchema, await this.#get('/localapi/v0/status?peers=false'));
    if (!answer.success) return undefined;
    const name = answer.output.Self.DNSName.toLowerCase().replace(/\.$/, '');
    return { addresses: answer.output.Self.TailscaleIPs ?? [], ...(name === '' ? {} : { name }) };
  }

  /** The answer's JSON, or undefined where there is none to be had. */
  #get(path: string): Promise<unknown> {
    return new Promise((resolve) => {
      const request = http.get(
        { socketPath: this.#socketPath, path, headers: { Host: HOST }, agent: false },
        (answer) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          answer.on('data', (part: Buffer) => {
            bytes += part.length;
            if (bytes > ANSWER_BYTES_MAX) request.destroy();
            else parts.push(part);
          });
          answer.on('end', () => resolve(answer.statusCode === 200 ? parsed(Buffer.concat(parts)) : undefined));
          answer.on('error', () => resolve(undefined));
          answer.on('close', () => resolve(undefined));
        },
      );
      request.setTimeout(CALL_TIMEOUT_MS, () => request.destroy());
      request.on('error', () => resolve(undefined));
      request.on('close', () => resolve(undefined));
    });
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // Something else listens there.
  }
}
