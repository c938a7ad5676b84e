/**
 * From a line of JSON to a change that can be imported: a line of our own export, or a plain record of another tool.
 * Pure: the same line in the same scope always gives the same entry id and change id, so that importing a file twice
 * changes nothing. Refuses, with a reason, what cannot become a valid entry.
 */
import { parseEntry, type Entry } from '../core/entry.ts';
import { SmError } from '../core/errors.ts';
import { TITLE_CHARACTERS_MAX } from '../core/limits.ts';
import { DEFAULT_CONFIDENCE, DEFAULT_KIND, ENTRY_STATUSES } from '../core/vocabulary.ts';
import { hashContent, sha256Hex } from '../protocol/hash.ts';
import type { ImportedChange, Scope } from './contract.ts';
import { EXPORT_FORMAT, EXPORT_FORMAT_WITHDRAWING } from './export-format.ts';

/** The replica of changes that no replica wrote. */
const FOREIGN_REPLICA_ID = '00000000-0000-4000-8000-000000000000';

/** The agent of a record that names none. */
const UNKNOWN_AGENT = 'unknown';

export interface ImportPlace {
  /** Where plain records are filed; lines of an export keep their own scope. */
  scope: Scope;
  /** The time of records that bear none, milliseconds since the epoch. Never part of an id. */
  fallbackTimeMs: number;
}

export interface ImportLine extends ImportedChange {
  entry: Entry;
  /** A record of another tool: of an export every byte counts, this one is ours to tidy. */
  isPlain?: true;
}

/**
 * Reads one line.
 * @throws SmError `bad_request` (or `upgrade_needed`) whose message says what is wrong with the line
 */
export function parseImportLine(line: string, place: ImportPlace): ImportLine {
  const value = parseObject(line);
  return value['stackmemory'] === undefined ? fromPlain(value, place) : fromExport(value);
}

function fromExport(value: Record<string, unknown>): ImportLine {
  if (value['stackmemory'] !== EXPORT_FORMAT && value['stackmemory'] !== EXPORT_FORMAT_WITHDRAWING) {
    throw new SmError({
      code: 'upgrade_needed',
      message: `stackmemory: the format ${JSON.stringify(value['stackmemory'])} is not known to this version.`,
      hint: 'Install the current version of stackmemory and import again.',
    });
  }
  const entry = parseEntry(value['entry']);
  const { hash, base } = value;
  if (hash !== undefined && hash !== hashOf(entry)) {
    throw refusal('hash: the entry is not the one that was exported; the line was changed or damaged.');
  }
  if (base !== null && base !== undefined && !(typeof base === 'string' && /^[0-9a-f]{64}$/.test(base))) {
    throw refusal('base: must be null or 64 hexadecimal digits.');
  }
  return {
    changeId: requireUuid(value['changeId'], 'changeId'),
    base: typeof base === 'string' ? base : null,
    replicaId: requireUuid(value['replicaId'], 'replicaId'),
    ...(value['replaces'] === undefined ? {} : { replaces: requireHashes(value['replaces']) }),
    ...(value['withdraws'] === undefined ? {} : { withdraws: requireUuid(value['withdraws'], 'withdraws') }),
    entry,
  };
}

function requireHashes(value: unknown): string[] {
  const hashes: unknown[] = Array.isArray(value) ? value : [];
  if (
    Array.isArray(value) &&
    hashes.every((hash) => typeof hash === 'string' && /^[0-9a-f]{64}(?:@\d{1,16})?$/.test(hash))
  ) {
    return hashes as string[];
  }
  throw refusal('replaces: must be a list of hashes of 64 hexadecimal digits.');
}

function fromPlain(value: Record<string, unknown>, place: ImportPlace): ImportLine {
  const created = timeOf(value, 'created_at', 'createdAt');
  const updated = timeOf(value, 'updated_at', 'updatedAt');
  const createdAt = created ?? updated ?? place.fallbackTimeMs;
  const scope = [place.scope.workspaceId, place.scope.projectId];
  const line = canonicalJson(value);
  // A record with an id of its own stays one entry when its content changes; without one the content is its identity.
  const id = value['id'] ?? value['entryId'];
  const identity = isName(id)
    ? ['id', String(id), typeof value['scope'] === 'string' ? value['scope'] : '']
    : ['line', line];
  const entry: Record<string, unknown> = {
    // Of a record with an id of its own only the time that stays may be in it.
    entryId: isUuid(id)
      ? id
      : uuidOf(['entry', ...scope, ...identity], 7, created ?? (isName(id) ? 0 : (updated ?? 0))),
    workspaceId: place.scope.workspaceId,
    projectId: place.scope.projectId,
    agent: textOr(value['agent'], UNKNOWN_AGENT),
    kind: value['kind'] ?? DEFAULT_KIND,
    title: titleOf(value),
    summary: trimmed(value['summary'] ?? ''),
    conclusion: trimmed(value['conclusion'] ?? ''),
    tags: labelsOf(value['tags']),
    refs: labelsOf(value['refs']),
    confidence: value['confidence'] ?? DEFAULT_CONFIDENCE,
    // Other tools have a status too ("Accepted", "open"); only our own words mean the same here.
    status: ENTRY_STATUSES.find((known) => known === value['status']) ?? 'active',
    createdAt,
    updatedAt: Math.max(createdAt, updated ?? createdAt),
  };
  if (isUuid(value['supersededBy'])) entry['supersededBy'] = value['supersededBy'];
  return {
    changeId: uuidOf(['change', ...scope, line], 8, undefined),
    base: null,
    replicaId: FOREIGN_REPLICA_ID,
    entry: parseEntry(entry),
    isPlain: true,
  };
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new SmError({ code: 'bad_request', message: 'The line is not JSON.', cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refusal('The line must be one JSON object.');
}

function titleOf(value: Record<string, unknown>): unknown {
  const title = value['title'] ?? '';
  if (typeof title !== 'string' || title.trim() !== '') return trimmed(title);
  const summary = typeof value['summary'] === 'string' ? value['summary'] : '';
  const firstLine = summary.split('\n').find((line) => line.trim() !== '');
  if (firstLine === undefined) throw refusal('title: is empty, and there is no summary to take it from.');
  return [...firstLine.trim()].slice(0, TITLE_CHARACTERS_MAX).join('').trim();
}

/** The first of two spellings of a time that is there: ISO 8601, or milliseconds since the epoch. */
function timeOf(value: Record<string, unknown>, ...names: string[]): number | undefined {
  const name = names.find((candidate) => value[candidate] !== undefined && value[candidate] !== null);
  if (name === undefined) return undefined;
  const time = value[name];
  const timeMs = typeof time === 'string' ? isoToMs(time) : time;
  if (typeof timeMs === 'number' && Number.isFinite(timeMs) && timeMs >= 0) return Math.floor(timeMs);
  throw refusal(`${name}: must be an ISO 8601 time or milliseconds since 1970.`);
}

/** A time without a zone is UTC: the same file has to give the same entries on every machine. */
function isoToMs(text: string): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return NaN;
  const hasClock = /^\d{4}-\d{2}-\d{2}[T ]\d/.test(text);
  const hasZone = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text);
  return Date.parse(hasClock && !hasZone ? `${text.replace(' ', 'T')}Z` : text);
}

function labelsOf(value: unknown): unknown {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return value;
  const labels: unknown[] = value.map(trimmed).filter((label) => label !== '');
  return [...new Set(labels)];
}

function textOr(value: unknown, fallback: string): unknown {
  const text = trimmed(value ?? '');
  return text === '' ? fallback : text;
}

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.trim() : value;
}

function isName(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'number';
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}

function requireUuid(value: unknown, field: string): string {
  if (isUuid(value)) return value;
  throw refusal(`${field}: must be a UUID in lower case.`);
}

/**
 * A UUID of `version` made from the SHA-256 of `parts`; version 7 has `timeMs` in its first 48 bits, as RFC 9562 wants.
 */
function uuidOf(parts: readonly string[], version: 7 | 8, timeMs: number | undefined): string {
  const hash = sha256Hex(`stackmemory import ${JSON.stringify(parts)}`);
  const head = timeMs === undefined ? hash.slice(52, 64) : (timeMs % 2 ** 48).toString(16).padStart(12, '0');
  const variant = ((Number.parseInt(hash.slice(3, 4), 16) & 0x3) | 0x8).toString(16);
  return `${head.slice(0, 8)}-${head.slice(8)}-${version}${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`;
}

/** JSON with the keys of every object in order, so that their order in the file is no difference. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const record = inner as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(record)
        .toSorted()
        .map((key) => [key, record[key]]),
    );
  });
}

function hashOf({ updatedAt: _, ...content }: Entry): string {
  return hashContent(content);
}

function refusal(message: string): SmError {
  return new SmError({ code: 'bad_request', message });
}
