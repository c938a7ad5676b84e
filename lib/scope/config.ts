/**
 * Reads the user's config.json. Owns its documented keys and their types; unknown keys are left in place for newer
 * versions. It runs before every command, hence plain checks instead of the validator, and one synchronous read.
 * Invariant: no message, hint, detail or cause repeats a value of the file, because the file holds the API key. (For
 * the same reason the JSON parser's own error, which quotes the text, is not kept as a cause.)
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { SmError } from '../core/errors.ts';
import { AGENT_CHARACTERS_MAX, EMBEDDING_DIMENSIONS_MAX } from '../core/limits.ts';
import { characterCount, CONTROL_CHARACTER, scopeIdFault } from './scope-id.ts';

export interface Config {
  /** Written by `sm login`. */
  auth?: {
    apiKey?: string;
    /** Address of the sync server, http or https. */
    apiUrl?: string;
    projectId?: string;
    workspaceId?: string;
    email?: string;
  };
  host?: {
    /** How long the host stays without a client, in milliseconds. */
    idleMs?: number;
  };
  sync?: {
    /** Whether the host syncs by itself while logged in; it does where nothing is said. */
    auto?: boolean;
  };
  /** An address that makes vectors of texts, in the way of OpenAI; without it recall goes by words alone. */
  embeddings?: {
    /** Up to `/v1`. */
    url?: string;
    model?: string;
    apiKey?: string;
    /** Asked of models that can give fewer than they have. */
    dimensions?: number;
    queryPrefix?: string;
    entryPrefix?: string;
    /** How long a recall may wait for its question's vector, in milliseconds. */
    timeoutMs?: number;
  };
  /** Whether entries tell where they were recorded (repository, branch, commit, machine, session); they do by default. */
  provenance?: boolean;
  /** The agent whose name entries carry where neither the command nor the environment names one. */
  agent?: string;
}

/** A configuration is a page of text; a larger file is something else under its name. */
const CONFIG_BYTES_MAX = 1024 * 1024;
/** The longest delay that a Node timer takes (24.8 days); a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What is wrong with a value, in words that never repeat it; undefined where nothing is. */
type Check = (value: unknown) => string | undefined;

const CONFIG_CHECKS: Readonly<Record<string, Check | Readonly<Record<string, Check>>>> = {
  auth: { apiKey: textFault, apiUrl: addressFault, projectId: scopeFault, workspaceId: scopeFault, email: textFault },
  host: { idleMs: durationFault },
  sync: { auto: switchFault },
  embeddings: {
    url: addressFault,
    model: textFault,
    apiKey: textFault,
    dimensions: dimensionsFault,
    queryPrefix: textFault,
    entryPrefix: textFault,
    timeoutMs: durationFault,
  },
  provenance: switchFault,
  agent: agentFault,
};

/**
 * The configuration in `file`; `{}` where there is no such file.
 * @throws SmError `config_invalid` with `details: { file, field? }`
 */
export function loadConfig(file: string): Config {
  const text = readConfigText(file);
  return text === undefined ? {} : parseConfig(text, file);
}

/**
 * What `text`, read from `file`, holds: unknown keys too, in their order.
 * @throws SmError `config_invalid`
 */
export function parseConfig(text: string, file: string): Config {
  const value = parseJson(text, file);
  if (!isRecord(value)) throw configError(file, 'must hold one JSON object');
  for (const [key, check] of Object.entries(CONFIG_CHECKS)) checkField(file, key, ownValue(value, key), check);
  return value;
}

function checkField(file: string, field: string, value: unknown, check: Check | Readonly<Record<string, Check>>): void {
  if (value === undefined) return;
  if (typeof check === 'function') {
    const fault = check(value);
    if (fault !== undefined) throw configError(file, fault, field);
    return;
  }
  if (!isRecord(value)) throw configError(file, 'must be an object', field);
  for (const [key, inner] of Object.entries(check)) checkField(file, `${field}.${key}`, ownValue(value, key), inner);
}

/** The text of the file, undefined where it does not exist. Only a regular file is opened: a pipe would never end. */
export function readConfigText(file: string): string | undefined {
  let bytes: Buffer;
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) throw configError(file, 'is a directory, not a file');
    if (!stats.isFile()) throw configError(file, 'is not a regular file');
    if (stats.size > CONFIG_BYTES_MAX) throw configError(file, `is larger than ${CONFIG_BYTES_MAX / 1024} KiB`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof SmError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    // Also where it was removed between the two calls. (With throwIfNoEntry a newer Node takes ENOTDIR for absence, too.)
    if (code === 'ENOENT') return undefined;
    throw configError(file, `cannot be read (${code})`, undefined, {
      hint: 'Make the file readable for your user (chmod 600), and the directory that holds it a real directory.',
      cause: error,
    });
  }
  if (!isUtf8(bytes)) throw configError(file, 'is not UTF-8 text');
  const text = bytes.toString('utf8');
  if (text.startsWith('\uFEFF')) throw configError(file, 'begins with a byte order mark (BOM)');
  return text;
}

function parseJson(text: string, file: string): unknown {
  if (text.trim() === '') throw configError(file, 'is empty');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw configError(file, `is not valid JSON${placeOf(error, text)}`);
  }
}

/** ` (line 3, column 7)` where the parser told the position, which it does not always. */
function placeOf(error: unknown, text: string): string {
  const position = /at position (\d+)/.exec(String(error))?.[1];
  if (position === undefined) return '';
  const before = text.slice(0, Number(position)).split('\n');
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
}

function switchFault(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'must be true or false';
}

function textFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be text in quotes';
  return CONTROL_CHARACTER.test(value) ? 'must not contain control characters' : undefined;
}

function addressFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be text in quotes';
  return /^https?:\/\/\S+$/i.test(value) && !CONTROL_CHARACTER.test(value)
    ? undefined
    : 'must be an address that starts with https:// or http://';
}

function agentFault(value: unknown): string | undefined {
  const fault = textFault(value);
  if (fault !== undefined) return fault;
  if ((value as string).trim() === '') return 'must not be empty';
  return characterCount(value as string) <= AGENT_CHARACTERS_MAX
    ? undefined
    : `must have at most ${AGENT_CHARACTERS_MAX} characters`;
}

function durationFault(value: unknown): string | undefined {
  const isFit = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TIMER_MS_MAX;
  return isFit ? undefined : `must be a whole number of milliseconds from 0 to ${TIMER_MS_MAX}`;
}

function dimensionsFault(value: unknown): string | undefined {
  const isFit = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= EMBEDDING_DIMENSIONS_MAX;
  return isFit ? undefined : `must be a whole number from 1 to ${EMBEDDING_DIMENSIONS_MAX}`;
}

function scopeFault(value: unknown): string | undefined {
  return typeof value === 'string' ? scopeIdFault(value.trim()) : 'must be text in quotes';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ownValue(record: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function configError(file: string, fault: string, field?: string, extra?: { hint: string; cause: unknown }): SmError {
  const remedy = field === undefined ? `Mend or remove ${file}` : `Correct or remove "${field}" in ${file}`;
  return new SmError({
    code: 'config_invalid',
    message: field === undefined ? `${file} ${fault}.` : `${file}: "${field}" ${fault}.`,
    hint: extra?.hint ?? `${remedy}; it must be JSON in UTF-8 without a byte order mark.`,
    details: field === undefined ? { file } : { file, field },
    cause: extra?.cause,
  });
}
