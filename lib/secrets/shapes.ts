/**
 * Shapes of secrets that the kept rules lack: keys of services that agents meet daily, and values that a text itself calls
 * a password or a key. Pure. Each pattern is bounded, so that no text takes long.
 */

export interface FoundSecret {
  /** Of the text in UTF-16 code units; the end is not included. */
  start: number;
  end: number;
  /** What it is the secret of: `github`, `database-connection-string`, `private key` … */
  kind: string;
}

/** A service's own form, by which it can be nothing else. */
const FORMS: readonly (readonly [kind: string, form: RegExp])[] = [
  // Also one that was cut off, or that JSON has made one line of.
  [
    'privatekey',
    /-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?<value>[\w+/=\s\\:,.-]{40,16384}?)(?=-----END|[^\w+/=\s\\:,.-]|$)/g,
  ],
  ['stripe', /\b[sr]k_live_[0-9A-Za-z]{20,128}/g],
  ['google', /\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])/g],
  ['jwt', /\beyJ[0-9A-Za-z_-]{10,4096}\.eyJ[0-9A-Za-z_-]{10,8192}\.[0-9A-Za-z_-]{20,2048}/g],
  ['tailscale', /\btskey-(?:auth|client|api|webhook)-[0-9A-Za-z]{6,64}-[0-9A-Za-z]{16,128}/g],
  ['stackmemory', /\b(?:sm|inv)_[a-km-z2-9]{8}_[a-km-z2-9]{32}(?![0-9a-z])/g],
  ['digitalocean', /\bdo[opr]_v1_[0-9a-f]{64}/g],
  ['pypi', /\bpypi-AgE[0-9A-Za-z_-]{50,1024}/g],
  ['age', /\bAGE-SECRET-KEY-1[0-9A-Z]{58}/g],
  ['openrouter', /\bsk-or-v1-[0-9a-f]{64}/g],
  ['xai', /\bxai-[0-9A-Za-z]{60,128}/g],
  ['azure', /\bAccountKey=[0-9A-Za-z+/]{86}==/g],
  [
    'authorization',
    /\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|basic|token)\s{1,4}(?<value>[\w.~+/=-]{16,4096})/gi,
  ],
];

/** `password = "…"`, `API_KEY=…`, `"client_secret": "…"`. */
const ASSIGNMENT =
  /(?:pass(?:word|wd|phrase)|secret(?:[_-]?key)?|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token|private[_-]?key)["']?\s{0,4}(?::|=>?)\s{0,4}(?<quote>["'`]?)(?<value>[^\s"'`,;<>(){}[\]$%]{12,256})\k<quote>/gi;

export function findShapes(text: string): FoundSecret[] {
  const found = FORMS.flatMap(([kind, form]) => [...text.matchAll(form)].map((match) => located(match, kind)));
  const assigned = [...text.matchAll(ASSIGNMENT)].filter(({ groups }) => isRandomLooking(groups?.['value'] ?? ''));
  return [...found, ...assigned.map((match) => located(match, 'assigned'))];
}

function located({ 0: whole, index, groups }: RegExpExecArray, kind: string): FoundSecret {
  const value = groups?.['value'] ?? whole;
  const start = index + whole.lastIndexOf(value);
  return { start, end: start + value.length, kind };
}

/** Words of a placeholder: an example that stands for a secret is none. */
const PLACEHOLDER =
  /example|placeholder|changeme|change-me|your|dummy|sample|redacted|masked|secret|password|token|xxx|\*\*\*|\.\.\./i;

/** Not a name, a path or a sample: it has digits among letters, and as many different characters as chance gives. */
function isRandomLooking(value: string): boolean {
  if (PLACEHOLDER.test(value) || /^(?:https?:|\/|\.|process\.|env\.|os\.)/i.test(value)) return false;
  if (!/\d/.test(value) || !/[a-z]/i.test(value)) return false;
  // Words with a number behind them (`retry_count_3`, `docs/adr-0012.md`) change from letters to digits once.
  const changes = value.match(/[a-z]\d|\d[a-z]|[a-z][A-Z]/g)?.length ?? 0;
  return changes >= 3 && new Set(value).size >= 8;
}
