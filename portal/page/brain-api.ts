/** What `/brain` asks the portal, see ../brain-routes.ts. Failures are sentences for people. */
import type { ActivityCount, BrainStatus, Conflict, HistoryVersion } from '../../lib/brain/log-contract.ts';
import type { RecallHit } from '../../lib/brain/recall-contract.ts';
import type { Entry } from '../../lib/core/entry.ts';

export type { ActivityCount, Entry, HistoryVersion, RecallHit };

export interface Looked {
  entry: Entry;
  history: HistoryVersion[];
  /** Of the history there may be more. */
  versions: number;
  conflict: Conflict | null;
}

export interface Overview {
  project: string;
  projectId: string;
  isReadOnly: boolean;
  status: BrainStatus;
  activity: { sinceMs: number; stepMs: number; steps: number; counts: ActivityCount[] };
  /** Null where one is not logged in. Times in milliseconds since the epoch. */
  sync: {
    endpoint: string;
    pending: number;
    lastPushAt: number | null;
    lastPullAt: number | null;
    lastError: { message: string } | null;
    conflicts: number;
    refusedCount: number;
  } | null;
}

/** A failure that is to be shown as it is. */
export class Refusal extends Error {}

export async function search(query: URLSearchParams, signal: AbortSignal): Promise<RecallHit[]> {
  return (await get<{ hits: RecallHit[] }>(`search?${query}`, signal)).hits;
}

export function look(entryId: string): Promise<Looked> {
  return get(`entries/${encodeURIComponent(entryId)}`);
}

export function overview(scope: string): Promise<Overview> {
  return get(`overview?scope=${scope}`);
}

export async function change(what: 'retract' | 'supersede', ids: Record<string, string>): Promise<Entry> {
  const body = JSON.stringify({ requestId: newId(), ...ids });
  const response = await fetch(`/api/brain/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  return (await answerOf<{ entry: Entry }>(response)).entry;
}

async function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return answerOf(await fetch(`/api/brain/${path}`, signal === undefined ? {} : { signal }));
}

async function answerOf<Answer>(response: Response): Promise<Answer> {
  if (response.status === 401) location.reload(); // The login page is what there is now.
  if (response.ok) return (await response.json()) as Answer;
  const { message, hint } = (await response.json().catch(() => ({}))) as { message?: string; hint?: string };
  throw new Refusal([message ?? `The portal answered ${response.status}.`, hint].filter(Boolean).join(' '));
}

/** A UUID. On plain HTTP browsers have no `crypto.randomUUID`. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
