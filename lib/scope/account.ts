/**
 * The account that the configuration names: which server, with which key, for which workspace. Owns the form of a
 * server's address, so that the host and the commands mean the same peer by it.
 * Invariant: an endpoint is `scheme://host[:port]` in lower case, without a path, a trailing slash or credentials.
 */
import { SmError } from '../core/errors.ts';
import { refuseBlockedPort } from '../core/ports.ts';
import type { Config } from './config.ts';

export interface Account {
  /** The address of the sync server, as `parseEndpoint` gives it. */
  endpoint?: string;
  apiKey?: string;
  /** The workspace of the key; `""` where none is known. It stays after logging out. */
  workspaceId: string;
  projectId?: string;
  email?: string;
  /** Whether the host syncs by itself. */
  isAutomatic: boolean;
}

/** @throws SmError `config_invalid` where `auth.apiUrl` is no address of a server */
export function accountOf(config: Config): Account {
  const { apiKey, apiUrl, workspaceId, projectId, email } = config.auth ?? {};
  return {
    ...(isBlank(apiUrl) ? {} : { endpoint: parseEndpoint(apiUrl, 'auth.apiUrl', 'config_invalid') }),
    ...(isBlank(apiKey) ? {} : { apiKey: apiKey.trim() }),
    workspaceId: workspaceId?.trim() ?? '',
    ...(isBlank(projectId) ? {} : { projectId: projectId.trim() }),
    ...(isBlank(email) ? {} : { email }),
    isAutomatic: config.sync?.auto !== false,
  };
}

/** The server that this workspace is synced with. With PROVENANT_WORKSPACE_ID one may be in one that the key is not for. */
export function syncedEndpoint({ apiKey, endpoint, ...account }: Account, workspaceId: string): string | undefined {
  return apiKey !== undefined && workspaceId !== '' && workspaceId === account.workspaceId ? endpoint : undefined;
}

/**
 * @param source names the flag, variable or field for the message; the text itself is not repeated, since an address
 *   may hold a password
 */
export function parseEndpoint(text: string, source: string, code: 'bad_request' | 'config_invalid'): string {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  const fault = url === undefined ? MUST_BEGIN : endpointFault(url);
  if (url !== undefined && fault === undefined) {
    const hint = 'Let the server listen on another port, for example "sm serve --port 7788".';
    refuseBlockedPort(url.port, { source, code, hint });
    return url.origin;
  }
  throw new SmError({
    code,
    message: `${source} ${fault}.`,
    hint: `Give the server alone, for example ${source === '--url' ? '--url ' : ''}https://sync.example.org or http://127.0.0.1:8787`,
    details: { field: source },
  });
}

const MUST_BEGIN = 'must begin with https:// or http://';

function endpointFault(url: URL): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return MUST_BEGIN;
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (url.search !== '' || url.hash !== '') return 'must not have a query or a fragment';
  // The version is often copied along; every request adds it.
  if (!/^\/(?:v1\/?)?$/.test(url.pathname)) return 'must not have a path';
  return undefined;
}

const PRIVATE_ADDRESSES: readonly RegExp[] = [
  /^127\.|^10\.|^192\.168\.|^169\.254\.|^172\.(?:1[6-9]|2\d|3[01])\./,
  /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./, // Where tailnets are.
  /^\[(?:::1\]|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/,
];
const PRIVATE_NAMES: readonly RegExp[] = [
  /(?:^|\.)localhost$/,
  /\.(?:ts\.net|local|lan|internal|home\.arpa)$/,
  /^[^.]+$/, // One word: a container, or a name of the local network.
];

/** Whether what is sent to `endpoint` can be read by those whom it passes on the internet. */
export function isExposed(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  if (protocol === 'https:') return false;
  const isAddress = /^\[|^[\d.]+$/.test(hostname);
  const known = isAddress ? PRIVATE_ADDRESSES : PRIVATE_NAMES;
  return !known.some((pattern) => pattern.test(hostname.replace(/\.$/, '')));
}

function isBlank(text: string | undefined): text is undefined {
  return text === undefined || text.trim() === '';
}
