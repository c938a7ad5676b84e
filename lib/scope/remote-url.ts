/**
 * Gives every way to write the address of one repository the same name, `host/path`: over ssh, https, http or git://,
 * with or without credentials, port, `.git` or percent-encoding. Pure; knows nothing of the machine.
 * Invariant: no credential is in the name, and the name's own https address gives the same name again.
 */

/** What an address turned out to be. A `network` one is already normalised. */
export type RemoteUrl =
  | { kind: 'network'; isSsh: boolean; host: string; path: string }
  /** A directory of this machine, as written (`file://` taken off). It is no name for anybody else. */
  | { kind: 'local'; path: string }
  /** A remote helper's or unknown scheme's address. What it may carry (commands, secrets) is not known: never named. */
  | { kind: 'unknown' };

const SSH_SCHEMES = new Set(['ssh', 'git+ssh', 'ssh+git']);
const HTTP_SCHEMES = new Set(['https', 'http', 'git+https', 'git+http']);
const OTHER_SCHEMES = new Set(['git', 'ftp', 'ftps']);

/** Hosts whose paths ignore case. Elsewhere case may tell two repositories apart, so it is kept. */
const CASELESS_HOSTS = new Set(['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org', 'dev.azure.com']);

/** Second doors of the same house: ssh over port 443, and the web pages' own host. */
const HOST_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['ssh.github.com', 'github.com'],
  ['www.github.com', 'github.com'],
  ['altssh.gitlab.com', 'gitlab.com'],
  ['www.gitlab.com', 'gitlab.com'],
  ['altssh.bitbucket.org', 'bitbucket.org'],
  ['www.bitbucket.org', 'bitbucket.org'],
]);

/**
 * The name of the repository behind `url`, such as `github.com/acme/app`; undefined for what is not a network address.
 * Ports are left out: how ssh is reached says nothing about the https port of the same server (`:2222` and `:3000` are
 * everyday values of self-hosted ones), and forms of one repository must agree.
 */
export function normaliseRemoteUrl(url: string): string | undefined {
  const parsed = parseRemoteUrl(url);
  return parsed.kind === 'network' ? remoteName(parsed) : undefined;
}

export function remoteName({ host, path }: { host: string; path: string }): string {
  return `${host}/${path}`;
}

/** Takes an address apart by the rules of git-fetch(1), "GIT URLS". */
export function parseRemoteUrl(url: string): RemoteUrl {
  const trimmed = url.trim();
  if (trimmed === '') return { kind: 'unknown' };
  const schemeEnd = trimmed.indexOf('://');
  if (schemeEnd > 0 && trimmed.indexOf('/') === schemeEnd + 1) {
    return parseSchemeUrl(trimmed.slice(0, schemeEnd).toLowerCase(), trimmed.slice(schemeEnd + 3));
  }
  const colon = authorityEnd(trimmed);
  if (colon === -1 || isWindowsPath(trimmed)) return { kind: 'local', path: trimmed };
  return parseScpUrl(trimmed.slice(0, colon), trimmed.slice(colon + 1));
}

/** The same repository at the host that an alias stands for. */
export function withHost(remote: { isSsh: boolean; path: string }, host: string): RemoteUrl {
  return network(remote.isSsh, host, decodePath(remote.path));
}

function parseSchemeUrl(scheme: string, rest: string): RemoteUrl {
  const slash = rest.indexOf('/');
  if (slash === -1) return { kind: 'unknown' };
  const authority = rest.slice(0, slash);
  const path = rest.slice(slash);
  if (scheme === 'file') return { kind: 'local', path: decodePath(path) };
  const host = withoutPort(withoutUserinfo(authority));
  if (SSH_SCHEMES.has(scheme)) return network(true, host, decodePath(path));
  if (OTHER_SCHEMES.has(scheme)) return network(false, host, decodePath(path));
  if (!HTTP_SCHEMES.has(scheme)) return { kind: 'unknown' };
  // A query carries at most a token; in the path of an ssh address `?` and `#` are ordinary characters.
  return network(false, host, decodePath(cutAt(cutAt(path, '?'), '#')));
}

/** `[user@]host:path`, or `[host:port]:path` in brackets. Git takes the path as it stands, without percent-decoding. */
function parseScpUrl(authority: string, path: string): RemoteUrl {
  // `helper::address`, and `user:password@host/…` whose scheme was forgotten: the path could hold a secret.
  const isSuspect = path.startsWith(':') || (!authority.includes('@') && cutAt(path, '/').includes('@'));
  if (isSuspect) return { kind: 'unknown' };
  const host = withoutUserinfo(authority);
  if (!host.startsWith('[') && !host.endsWith(']')) return network(true, host, path);
  const inner = withoutUserinfo(host.replace('[', '').replace(']', ''));
  const isAddress = inner.split(':').length > 2;
  return network(true, isAddress ? `[${inner}]` : withoutPort(inner), path);
}

/** The colon between host and path of an scp-like address: the first one outside brackets, before any slash, or -1. */
function authorityEnd(url: string): number {
  const close = url.startsWith('[') || url.includes('@[') ? url.indexOf(']') : -1;
  const colon = url.indexOf(':', close + 1);
  const slash = url.indexOf('/');
  return colon > 0 && (slash === -1 || colon < slash) ? colon : -1;
}

/** `C:\repos` and `C:/repos`, also where git runs on another system: one letter is no host. */
function isWindowsPath(path: string): boolean {
  const letter = path.charAt(0).toLowerCase();
  return path.startsWith('\\\\') || (path.charAt(1) === ':' && letter >= 'a' && letter <= 'z');
}

function network(isSsh: boolean, rawHost: string, rawPath: string): RemoteUrl {
  const host = canonicalHost(rawHost);
  if (host === undefined) return { kind: 'unknown' };
  const cased = CASELESS_HOSTS.has(host) || isAzure(host) ? rawPath.toLowerCase() : rawPath;
  const segments = barePath(cased)
    .split('/')
    .filter((segment) => segment !== '');
  if (segments.length === 0) return { kind: 'unknown' };
  const place = canonicalPlace(host, segments);
  return { kind: 'network', isSsh, host: place.host, path: place.segments.map(encodeSegment).join('/') };
}

/** Without slashes and `.git` at the end, however many: `repo`, `repo.git/` and `repo/.git` are one to git. */
function barePath(path: string): string {
  let end = path.length; // Falls in every turn, which bounds the loop.
  for (;;) {
    if (path.endsWith('/', end)) end -= 1;
    else if (path.endsWith('.git', end)) end -= 4;
    else return path.slice(0, end);
  }
}

/** Lower case, punycode, one spelling of IP addresses, no final dot; undefined for what cannot be a host. */
function canonicalHost(host: string): string | undefined {
  const lower = host.toLowerCase();
  if (CASELESS_HOSTS.has(lower)) return lower;
  if (host === '' || /[/\\?#@\s]/.test(host)) return undefined;
  let canonical: string;
  try {
    canonical = new URL(`http://${host}`).hostname.replace(/\.+$/, '');
  } catch {
    return undefined; // Not a host by the URL standard: the address has no name that another machine could share.
  }
  if (canonical === '') return undefined;
  // `github.com-work` is the customary ssh alias of people with two accounts; no public host can end so.
  const alias = /^(github\.com|gitlab\.com|bitbucket\.org)-[^.]*$/.exec(canonical)?.[1];
  return alias ?? HOST_SYNONYMS.get(canonical) ?? canonical;
}

/** Servers that write one repository differently over ssh and https. */
function canonicalPlace(host: string, segments: string[]): { host: string; segments: string[] } {
  if (isAzure(host)) return azurePlace(host, segments);
  // Bitbucket Data Center: https://host/scm/project/repo is ssh://host/project/repo.
  if (segments.length === 3 && segments[0] === 'scm' && !CASELESS_HOSTS.has(host)) {
    return { host, segments: segments.slice(1) };
  }
  return { host, segments };
}

function isAzure(host: string): boolean {
  return host === 'dev.azure.com' || host === 'ssh.dev.azure.com' || host.endsWith('.visualstudio.com');
}

/** Azure DevOps: `v3/org/project/repo` over ssh, `org/project/_git/repo` over https, `org` in the host before 2018. */
function azurePlace(host: string, segments: string[]): { host: string; segments: string[] } {
  const home = 'dev.azure.com';
  const isSshHost = host === 'ssh.dev.azure.com' || host === 'vs-ssh.visualstudio.com';
  if (isSshHost && segments[0] === 'v3' && segments.length === 4) {
    const [, organisation = '', project = '', repository = ''] = segments;
    return { host: home, segments: [organisation, project, '_git', repository] };
  }
  const organisation = host.endsWith('.visualstudio.com') ? host.slice(0, -'.visualstudio.com'.length) : undefined;
  if (isSshHost) return { host, segments };
  const inOrganisation = segments[0] === 'defaultcollection' ? segments.slice(1) : segments;
  const full = organisation === undefined ? segments : [organisation, ...inOrganisation];
  // `org/_git/repo` is short for the project of the repository's own name.
  const [first = '', second, repository = ''] = full;
  const isShort = full.length === 3 && second === '_git';
  return { host: home, segments: isShort ? [first, repository, '_git', repository] : full };
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
}

function cutAt(text: string, mark: string): string {
  const at = text.indexOf(mark);
  return at === -1 ? text : text.slice(0, at);
}

function withoutUserinfo(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1);
}

/** Percent-decoding, segment by segment; what is not valid UTF-8 stays as it is written. */
function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  return path.split('/').map(decodeSegment).join('/');
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // A stray `%` is an ordinary character of the name.
  }
}

/** Only what would be read differently in an address is encoded, so that names stay readable in any script. */
function encodeSegment(segment: string): string {
  return segment.replace(/[%?#\s]|[^ -~\u00a0-\uffff]/g, encodeURIComponent);
}
