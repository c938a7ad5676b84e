/** The state of the brain and of its sync, for people. Pure. */
import type { BrainStatus } from '../../lib/brain/log-contract.ts';
import type { SyncStanding, SyncState } from '../../lib/brain/sync-contract.ts';
import { ENTRY_KINDS } from '../../lib/core/vocabulary.ts';
import type { EmbeddingFigures } from '../../lib/embeddings/service.ts';
import type { Account, HostStatus, Location } from '../command.ts';
import { counted } from '../../lib/core/counted.ts';
import { embeddingState } from './embeddings.ts';
import { renderFields } from './entries.ts';
import { escapeLine } from './escape.ts';
import { hostLine } from './host.ts';
import { wrap } from './layout.ts';
import { CLOCK_OFFSET_SHOWN_MS, clockText } from './sync.ts';
import { showBytes, showDuration, showTime } from './time.ts';
import type { View } from './view.ts';

/** Refused changes that are listed; --json has all that are kept. */
const REFUSALS_SHOWN_MAX = 5;
/** The part of an id that tells entries apart, in characters. */
const ID_CHARACTERS = 18;

export interface StatusFacts {
  status: BrainStatus;
  location: Location;
  host: HostStatus;
  account: Account;
  isLoggedIn: boolean;
  /** Active entries by project. */
  byProject: Readonly<Record<string, number>>;
  /** What is known of the server; undefined where there is none for this workspace. */
  sync: (SyncState & SyncStanding) | undefined;
  conflicts: number;
  /** The address that makes vectors, without its key, and what the host knows of it; null where none is configured. */
  embeddings: {
    url: string;
    model: string;
    state: EmbeddingFigures['state'] | null;
    failure: string | null;
  } | null;
  /** Entries that belong to no workspace, while there is one. */
  notAdopted: number;
}

export function renderStatus(view: View, facts: StatusFacts): string {
  const { status, location, host, byProject } = facts;
  const { active, superseded, retracted } = status.byStatus;
  const workspace = location.workspaceId === '' ? 'local only' : location.workspaceId;
  const projects = Object.entries(byProject).map(([projectId, count]) => `${projectId} ${count}`);
  const fields: (readonly [string, string])[] = [
    ['project', `${location.projectId} (${location.projectSource}: ${location.projectDetail})`],
    ['workspace', `${workspace} (${location.workspaceSource})`],
    ['entries', `${status.repoEntries} in this project, ${status.orgEntries} in the workspace`],
    ...(projects.length > 1 ? [['projects', projects.join(', ')] as const] : []),
    ['kinds', ENTRY_KINDS.map((kind) => `${kind} ${status.byKind[kind]}`).join(', ')],
    ['states', `active ${active}, superseded ${superseded}, retracted ${retracted}`],
    [
      'log',
      `${counted(status.changes, 'change')} of ${counted(status.entries, 'entry', 'entries')}, over all workspaces`,
    ],
    ['last change', status.lastChangeAt === null ? 'none yet' : showTime(view, status.lastChangeAt)],
    ['store', `${showBytes(status.storeBytes)} in ${status.directory}`],
    ['host', hostLine(host)],
    ...embeddingFields(facts),
    ['replica', status.replicaId],
    ...syncFields(view, facts),
  ];
  const remarks = remarksOf(view, facts).flatMap((remark) => wrap(view, escapeLine(remark), view.width));
  return `${[...renderFields(view, fields), ...remarks.map((line) => view.paint('yellow', line))].join('\n')}\n`;
}

function embeddingFields({ embeddings }: StatusFacts): (readonly [string, string])[] {
  if (embeddings === null) return [];
  return [['embeddings', `${embeddings.model} at ${embeddings.url}: ${embeddingState(embeddings.state)}`]];
}

function syncFields(view: View, { sync, account, isLoggedIn }: StatusFacts): (readonly [string, string])[] {
  if (!isLoggedIn) return [['server', 'none; sm login connects this brain to one']];
  if (sync === undefined) return [['server', `${account.endpoint}, for another workspace than this one: not synced`]];
  const time = (timeMs: number | null) => (timeMs === null ? 'never' : showTime(view, timeMs));
  const spoken = sync.protocol === null ? 'not reached yet' : `protocol ${sync.protocol}`;
  const lag =
    sync.pendingSince === null ? '' : `, the oldest for ${showDuration(Math.max(0, view.nowMs - sync.pendingSince))}`;
  return [
    ['server', `${account.endpoint} (${spoken})`],
    ['sync', account.isAutomatic ? 'automatic, while the host runs' : 'by hand only ("sync.auto" is false)'],
    ['pending', sync.pending === 0 ? 'nothing' : `${counted(sync.pending, 'change')}${lag}`],
    ['last push', time(sync.lastPushAt)],
    ['last pull', time(sync.lastPullAt)],
  ];
}

/** What somebody should look at. */
function remarksOf(view: View, { status, sync, embeddings, conflicts, notAdopted }: StatusFacts): string[] {
  const remarks: string[] = [];
  if (status.clockRegressionMs > 0) {
    const behind = showDuration(status.clockRegressionMs);
    remarks.push(`The clock is ${behind} behind the newest entry; check the system time.`);
  }
  const offsetMs = sync?.clockOffsetMs ?? 0;
  if (Math.abs(offsetMs) > CLOCK_OFFSET_SHOWN_MS) {
    remarks.push(clockText(offsetMs));
  }
  const lastError = sync?.lastError ?? null;
  if (lastError !== null) {
    const remedy = lastError.code === 'unauthorized' ? ' Log in with a valid key: sm login --key -' : '';
    remarks.push(`The last sync failed (${showTime(view, lastError.at)}): ${lastError.message}${remedy}`);
  }
  if (sync !== undefined && sync.refusedCount > 0) {
    remarks.push(`Not synced: ${counted(sync.refusedCount, 'change')}, kept here and holding up no others:`);
    for (const { entryId, changeId, direction, code, message } of sync.refusals.slice(0, REFUSALS_SHOWN_MAX)) {
      remarks.push(`  ${(entryId ?? changeId).slice(0, ID_CHARACTERS)} (${direction}, ${code}): ${message}`);
    }
    if (sync.refusedCount > REFUSALS_SHOWN_MAX) {
      remarks.push(`  … and ${sync.refusedCount - REFUSALS_SHOWN_MAX} more; --json lists up to 20.`);
    }
  }
  const embeddingFailure = embeddings?.failure ?? null;
  if (embeddingFailure !== null) remarks.push(`The embeddings fail: ${embeddingFailure}`);
  if (conflicts > 0) {
    remarks.push(`Unresolved: ${counted(conflicts, 'conflict')}; "sm brain conflicts --org" shows what lost.`);
  }
  if (notAdopted > 0) {
    const entries = counted(notAdopted, 'entry', 'entries');
    remarks.push(
      `In no workspace, because recorded before logging in: ${entries}; "sm login" takes over what is left.`,
    );
  }
  return remarks;
}
